-- Which reading brought which stored bar; a bar may have several.
CREATE OR REPLACE TEMP VIEW owned AS
SELECT s.reading, b.freq, b.symbol, b.time
FROM reading_symbols AS s
JOIN readings AS r ON r.id = s.reading
JOIN bars AS b ON b.freq = r.freq AND b.symbol = s.symbol AND b.time BETWEEN s.first AND s.last
ANTI JOIN reading_gaps AS g ON g.reading = s.reading AND g.symbol = b.symbol AND g.time = b.time;
