-- error: one symbol has one bar at a time. Of equal copies the first is kept; of copies that differ none, for nobody can tell which is true.
SELECT * EXCLUDE (copy, versions)
FROM (
    SELECT *,
           row_number() OVER (PARTITION BY symbol, time ORDER BY row) AS copy,
           count(DISTINCT (open, high, low, close, volume, amount, factor)) OVER (PARTITION BY symbol, time) AS versions
    FROM incoming
    SEMI JOIN (SELECT symbol, time FROM incoming GROUP BY symbol, time HAVING count(*) > 1) AS repeated
        USING (symbol, time)
)
WHERE copy > 1 OR versions > 1;
