-- The instruments in `unnamed`, which no source names any more; a list of listings still may.
DELETE FROM instruments
WHERE symbol IN (SELECT symbol FROM unnamed)
  AND symbol NOT IN (SELECT symbol FROM intervals WHERE kind = 'listing');

UPDATE instruments
SET first_date = l.first, last_date = l.last, in_all = NULL
FROM (SELECT symbol, min("start") AS first, max("end") AS last FROM intervals WHERE kind = 'listing' GROUP BY symbol) AS l
WHERE instruments.symbol = l.symbol AND instruments.symbol IN (SELECT symbol FROM unnamed);
