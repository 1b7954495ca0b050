-- warning: price / factor is not a multiple of the tick size (0.01 on the mainland), although the symbol's other bars are: a damaged price or factor, for instance one flipped byte.
WITH stepped AS (
    SELECT i.symbol, t.tick
    FROM instruments AS i
    JOIN ticks AS t ON starts_with(i.symbol, t.prefix)
    WHERE i.kind <> 'index'
),
-- an eighth of the bars shows which symbols keep the tick; prices adjusted without a factor do not
sampled AS MATERIALIZED (
    SELECT symbol, avg((abs(close * ticks - round(close * ticks)) > 3e-7 * high * ticks + 1e-6)::INTEGER) > 0.34 AS stranger
    FROM (SELECT symbol, close, high, 1 / (factor::DOUBLE * tick) AS ticks FROM incoming JOIN stepped USING (symbol) WHERE row % 8 = 0)
    GROUP BY symbol
),
-- where nearly all symbols keep the tick, one that does not has a wrong factor
wanted AS MATERIALIZED (
    SELECT symbol, stranger
    FROM sampled, (SELECT count(*) AS symbols, count(*) FILTER (stranger) AS strangers FROM sampled)
    WHERE NOT stranger OR (symbols - strangers >= 20 AND strangers <= 0.05 * symbols)
),
off AS MATERIALIZED (
    SELECT row, symbol
    FROM (
        SELECT row, symbol, open, high, low, close, 1 / (factor::DOUBLE * tick) AS ticks
        FROM incoming
        JOIN (SELECT * FROM stepped SEMI JOIN wanted USING (symbol)) USING (symbol)
    )
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
