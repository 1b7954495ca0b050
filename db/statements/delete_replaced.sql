-- Stored bars that others replace.
DELETE FROM bars
USING replacing AS r
WHERE bars.freq = $freq AND bars.symbol = r.symbol AND bars.time = r.time;
