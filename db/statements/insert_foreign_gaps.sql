-- Bars that arrive for the first time between the first and the last of other readings of their symbol.
INSERT INTO reading_gaps
WITH added AS (
    SELECT symbol, time
    FROM arriving
    ANTI JOIN (SELECT symbol, time FROM bars WHERE freq = $freq) AS held USING (symbol, time)
    WHERE symbol IN (SELECT symbol FROM around)
)
SELECT r.reading, a.symbol, a.time
FROM added AS a
JOIN around AS r ON r.symbol = a.symbol AND a.time BETWEEN r.first AND r.last
ANTI JOIN brought AS b ON b.reading = r.reading AND b.symbol = a.symbol AND b.time = a.time;
