-- Former values of bars, oldest first: when each was replaced and by which ingest.
SELECT h.symbol, h.date, h.time, h.open, h.high, h.low, h.close, h.volume, h.amount, h.factor, h.restated,
       h.ingest, i.finished AS replaced
FROM bars_history AS h
JOIN ingests AS i ON i.id = h.ingest
WHERE h.freq = $freq AND ($symbols IS NULL OR list_contains($symbols, h.symbol))
ORDER BY h.symbol, h.time, h.ingest;
