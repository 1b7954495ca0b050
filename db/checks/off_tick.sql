-- warning: prices are quoted in steps (0.01 on the mainland), so price / factor is a multiple of one. A bar off the step, of a symbol that else keeps it, holds a damaged price or factor: one flipped byte is enough.
WITH stepped AS (
    SELECT i.symbol, t.tick
    FROM instruments AS i
    JOIN ticks AS t ON starts_with(i.symbol, t.prefix)
    WHERE i.kind = 'stock'
),
counted AS (
    SELECT row, symbol, open, high, low, close, 1 / (factor::DOUBLE * tick) AS ticks
    FROM incoming
    JOIN stepped USING (symbol)
),
-- an eighth of the bars tells who keeps the step; prices that were adjusted without a factor lie anywhere
sampled AS MATERIALIZED (
    SELECT symbol, avg((abs(close * ticks - round(close * ticks)) > 3e-7 * high * ticks + 1e-6)::INTEGER) > 0.34 AS stranger
    FROM counted
    WHERE row % 8 = 0
    GROUP BY symbol
),
-- where nearly all symbols keep it, one that does not has the factor of another
wanted AS MATERIALIZED (
    SELECT symbol, stranger
    FROM sampled, (SELECT count(*) AS symbols, count(*) FILTER (stranger) AS strangers FROM sampled)
    WHERE NOT stranger OR (symbols - strangers >= 20 AND strangers <= 0.05 * symbols)
),
off AS MATERIALIZED (
    SELECT row, symbol
    FROM counted
    SEMI JOIN wanted USING (symbol)
    -- a float32 price over a float32 factor is true to 1.2e-7; sources round once or twice more
    WHERE abs(close * ticks - round(close * ticks)) > 3e-7 * high * ticks + 1e-6
       OR abs(high * ticks - round(high * ticks)) > 3e-7 * high * ticks + 1e-6
       OR abs(low * ticks - round(low * ticks)) > 3e-7 * high * ticks + 1e-6
       OR abs(open * ticks - round(open * ticks)) > 3e-7 * high * ticks + 1e-6
),
judged AS (
    SELECT symbol
    FROM incoming
    JOIN (SELECT symbol, count(*) AS off FROM off GROUP BY symbol) AS o USING (symbol)
    JOIN wanted AS w USING (symbol)
    GROUP BY symbol
    HAVING count(*) >= 20 AND (any_value(w.stranger) OR any_value(o.off) <= 0.05 * count(*))
)
SELECT row
FROM off
SEMI JOIN judged USING (symbol);
