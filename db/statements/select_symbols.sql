-- What has bars of this frequency, and whether it is traded (no index).
SELECT symbol, coalesce(kind, 'stock') <> 'index' AS traded
FROM instruments
SEMI JOIN (SELECT symbol FROM bars WHERE freq = $freq) AS held USING (symbol);
