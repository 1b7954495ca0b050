-- Stored bars of others in the part by which a span has grown.
INSERT INTO reading_gaps
SELECT g.reading, b.symbol, b.time
FROM grown AS g
JOIN bars AS b
    ON b.symbol = g.symbol AND b.time BETWEEN g.first AND g.last
   AND (g.old_first IS NULL OR b.time < g.old_first OR b.time > g.old_last)
ANTI JOIN brought AS o ON o.reading = g.reading AND o.symbol = b.symbol AND o.time = b.time
WHERE b.freq = $freq;
