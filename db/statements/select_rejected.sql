-- The bars that the ingests refused, why, and where each came from.
SELECT r.freq, r.symbol, r.date, r.time, r.open, r.high, r.low, r.close, r.volume, r.amount, r.factor, r.rules,
       r.ingest, i.source, i.path, i.finished
FROM rejected_bars AS r
LEFT JOIN ingests AS i ON i.id = r.ingest
ORDER BY r.freq, r.symbol, r.time, r.rules, r.ingest
