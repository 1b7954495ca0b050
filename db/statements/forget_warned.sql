-- A key that arrives again is judged again.
DELETE FROM warned_bars AS w
USING incoming AS i
WHERE w.freq = $freq AND w.symbol = i.symbol AND w.time = i.time;
