-- How many bars of a reading have the raw prices of an arriving bar.
WITH written AS (
    SELECT printf('%.5e %.5e %.5e %.5e', open::DOUBLE / factor, high::DOUBLE / factor, low::DOUBLE / factor,
                  close::DOUBLE / factor) AS prices
    FROM bars
    SEMI JOIN (SELECT freq, symbol, time FROM owned WHERE reading = $reading) AS own USING (freq, symbol, time)
)
SELECT count(*) FILTER (prices IN (
    SELECT printf('%.5e %.5e %.5e %.5e', open::DOUBLE / factor, high::DOUBLE / factor, low::DOUBLE / factor,
                  close::DOUBLE / factor)
    FROM incoming
))
FROM written;
