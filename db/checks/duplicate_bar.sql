-- error: a symbol has one bar at a time. The first of equal copies is kept; copies that differ are all rejected, because the true one is unknown.
WITH repeated AS (SELECT DISTINCT symbol, time FROM steps WHERE time = previous_time),
copies AS (
    SELECT row,
           row_number() OVER (PARTITION BY symbol, time ORDER BY row) AS copy,
           count(DISTINCT (open, high, low, close, volume, amount, factor)) OVER (PARTITION BY symbol, time) AS versions
    FROM incoming
    SEMI JOIN repeated USING (symbol, time)
)
SELECT row
FROM copies
WHERE copy > 1 OR versions > 1;
