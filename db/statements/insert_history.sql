-- The values that the bars in `replacing` have until now.
INSERT INTO bars_history
SELECT $ingest, bars.*, r.restated, NULL
FROM bars
JOIN replacing AS r ON bars.freq = $freq AND bars.symbol = r.symbol AND bars.time = r.time;
