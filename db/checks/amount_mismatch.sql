-- warning: amount / volume is the mean traded price and must lie between low and high; otherwise turnover, VWAP and the model's sixth input are wrong.
-- Amounts may be in thousands, volumes in lots, or raw with adjusted prices: each symbol needs one constant unit.
WITH units AS MATERIALIZED (
    SELECT symbol, median(amount / volume / close) AS unit
    FROM incoming
    WHERE volume > 0 AND amount > 0 AND row % 5 = 0  -- a fifth of the bars suffices
    GROUP BY symbol
    HAVING count(*) >= 10 AND symbol IN (SELECT symbol FROM instruments WHERE kind <> 'index')
),
misfits AS MATERIALIZED (
    SELECT row, symbol, factor, price, least_price, most_price
    FROM (
        SELECT row, symbol, factor, amount / volume AS price,
               -- 5 % for fees and rounded prices, and one lot or share of rounded volume
               low * (0.95 - 1 / (volume * factor)) AS least_price, high * (1.05 + 1 / (volume * factor)) AS most_price
        FROM incoming
        WHERE volume > 0 AND amount > 0
    )
    JOIN units USING (symbol)
    WHERE NOT price BETWEEN unit * least_price AND unit * most_price
),
-- volume in shares really traded with adjusted prices: amount / volume is then the raw price
raw_units AS (
    SELECT symbol, median(amount / volume / close * factor) AS unit
    FROM incoming
    SEMI JOIN misfits USING (symbol)
    WHERE volume > 0 AND amount > 0 AND row % 5 = 0
    GROUP BY symbol
)
SELECT m.row
FROM misfits AS m
JOIN raw_units AS r USING (symbol)
WHERE NOT m.price * m.factor BETWEEN r.unit * least_price AND r.unit * most_price
UNION ALL
SELECT row
FROM incoming
SEMI JOIN units USING (symbol)
WHERE (volume > 0) <> (amount > 0);
