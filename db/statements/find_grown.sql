-- The spans of the readings in `origins` before (old_first, old_last) and after the batch, one reading a symbol.
CREATE OR REPLACE TEMP TABLE grown AS
SELECT o.reading, o.symbol, s.first AS old_first, s.last AS old_last,
       least(s.first, n.first) AS first, greatest(s.last, n.last) AS last
FROM origins AS o
LEFT JOIN (SELECT symbol, min(time) AS first, max(time) AS last FROM incoming GROUP BY symbol) AS n USING (symbol)
LEFT JOIN reading_symbols AS s USING (reading, symbol);
