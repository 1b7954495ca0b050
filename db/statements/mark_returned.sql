-- Bars that had vanished and are in their source again.
UPDATE vanished_bars
SET returned = $ingest
WHERE freq = $freq
  AND returned IS NULL
  AND (symbol, time) IN (SELECT (symbol, time) FROM incoming UNION ALL SELECT (symbol, time) FROM refused);
