-- Gaps whose bar the reading brings now.
DELETE FROM reading_gaps
WHERE reading IN (SELECT reading FROM origins)
  AND (reading, symbol, time) IN (SELECT (reading, symbol, time) FROM brought);
