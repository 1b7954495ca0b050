INSERT INTO ingests
SELECT coalesce(max(id), 0) + 1, now() AT TIME ZONE 'UTC',
       $source, $path, $freq, $exchange, $bars, $added, $changed, $rejected, $notes
FROM ingests
RETURNING id;
