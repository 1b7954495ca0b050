-- Former values of the bars of an earlier reading.
INSERT INTO bars_history
SELECT $ingest, l.*, true, if(g.gone, 'replaced', NULL)
FROM leaving AS l
JOIN read_again AS g USING (freq, symbol, time)
WHERE g.gone OR g.restated;
