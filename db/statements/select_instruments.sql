-- Instruments as in the snapshot: a symbol was listed whenever it has bars, whatever a list says.
SELECT i.symbol, i.exchange, coalesce(i.kind, 'stock') AS kind,
       least(i.first_date, b.first_date) AS first_date,
       greatest(i.last_date, b.last_date) AS last_date,
       i.in_all
FROM instruments AS i
LEFT JOIN (SELECT symbol, min(date) AS first_date, max(date) AS last_date FROM bars GROUP BY symbol) AS b USING (symbol)
WHERE coalesce(i.first_date, b.first_date) IS NOT NULL
ORDER BY i.symbol;
