-- What happened to stored bars: the former values of those that were replaced, and the ones that vanished from their
-- source or came back to it, with the ingest of each.
SELECT h.freq, h.symbol, h.date, h.time, h.change, h.open, h.high, h.low, h.close, h.volume, h.amount, h.factor,
       h.ingest, i.finished AS recorded, i.source, i.path
FROM (
    SELECT freq, symbol, date, time, coalesce(gone, if(restated, 'restated', 'moved')) AS change,
           open, high, low, close, volume, amount, factor, ingest
    FROM bars_history
    UNION ALL
    SELECT freq, symbol, date, time, 'vanished', NULL, NULL, NULL, NULL, NULL, NULL, NULL, ingest
    FROM vanished_bars
    UNION ALL
    SELECT freq, symbol, date, time, 'returned', NULL, NULL, NULL, NULL, NULL, NULL, NULL, returned
    FROM vanished_bars
    WHERE returned IS NOT NULL
) AS h
LEFT JOIN ingests AS i ON i.id = h.ingest
ORDER BY h.freq, h.symbol, h.time, h.ingest, h.change DESC;
