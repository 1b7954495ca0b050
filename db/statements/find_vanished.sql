-- Stored bars that the source no longer has although it covers their symbol and date: from its first session to its
-- last where it lists them ($first, $last), else between the symbol's own first and last bar. `known` ones had vanished
-- before. A bar that was refused is in the source.
CREATE OR REPLACE TEMP TABLE vanished AS
WITH given AS (
    SELECT symbol, date, time
    FROM (SELECT symbol, date, time FROM incoming UNION ALL SELECT symbol, date, time FROM refused)
    SEMI JOIN (SELECT symbol FROM compared WHERE NOT fresh) AS extended USING (symbol)
),
spans AS (
    SELECT symbol,
           coalesce($first::TIMESTAMP, min(time)) AS first,
           coalesce($last::TIMESTAMP, max(time)) AS last
    FROM given
    GROUP BY symbol
),
-- nearly always a symbol has as many bars in common with its source as are stored: nothing to look for
incomplete AS (
    SELECT symbol, any_value(s.first) AS first, any_value(s.last) AS last
    FROM bars
    JOIN spans AS s USING (symbol)
    JOIN compared AS c USING (symbol)
    WHERE freq = $freq AND time BETWEEN s.first AND s.last
    GROUP BY symbol
    HAVING count(*) > any_value(c.common)
)
SELECT b.symbol, b.date, b.time, v.ingest IS NOT NULL AS known
FROM bars AS b
JOIN incomplete AS i ON b.symbol = i.symbol AND b.time BETWEEN i.first AND i.last
ANTI JOIN given AS g ON g.symbol = b.symbol AND g.time = b.time
LEFT JOIN vanished_bars AS v
    ON v.freq = $freq AND v.symbol = b.symbol AND v.time = b.time AND v.returned IS NULL
WHERE b.freq = $freq;
