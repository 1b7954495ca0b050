-- The record of a list (a universe, intervals): it brings no bars and belongs to no frequency.
INSERT INTO ingests (id, finished, source, path, freq, exchange, bars, added, changed, rejected, notes)
SELECT coalesce(max(id), 0) + 1, now() AT TIME ZONE 'UTC', $source, $path, '', '', 0, 0, 0, 0, $notes
FROM ingests;
