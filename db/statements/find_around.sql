-- Readings other than those of the batch whose bars of a symbol are around new ones: `around`.
CREATE OR REPLACE TEMP TABLE around AS
SELECT s.*
FROM reading_symbols AS s
JOIN readings AS r ON r.id = s.reading
WHERE r.freq = $freq
  AND s.symbol IN (SELECT symbol FROM compared WHERE added > 0)
  AND ($by_time OR (s.reading, s.symbol) NOT IN (SELECT (reading, symbol) FROM origins));
