-- The dividends in `incoming_dividends` with the raw close before each ex-date and the factors on both sides of it.
SELECT incoming_dividends.symbol,
       ex_date,
       cash,
       bonus + transferred AS shares,
       rights_ratio,
       rights_price,
       before.time AS before_time,
       before.close::DOUBLE / before.factor AS close_before,
       after.factor::DOUBLE / before.factor AS found
FROM incoming_dividends
ASOF JOIN bars AS before
    ON incoming_dividends.symbol = before.symbol AND incoming_dividends.ex_date::TIMESTAMP > before.time
ASOF JOIN bars AS after
    ON incoming_dividends.symbol = after.symbol AND incoming_dividends.ex_date::TIMESTAMP <= after.time
ORDER BY ALL;
