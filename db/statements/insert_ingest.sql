INSERT INTO ingests
    (id, finished, source, path, freq, exchange, bars, added, changed, restated, rescaled, rejected, notes)
SELECT coalesce(max(id), 0) + 1, now() AT TIME ZONE 'UTC',
       $source, $path, $freq, $exchange, $bars, $added, $changed, $restated, $rescaled, $rejected, $notes
FROM ingests
RETURNING id;
