-- What is traded (no indices) and has bars of this frequency.
SELECT symbol
FROM instruments
SEMI JOIN (SELECT symbol FROM bars WHERE freq = $freq) AS traded USING (symbol)
WHERE coalesce(kind, 'stock') <> 'index';
