-- As find_grown.sql, where a symbol is in several readings.
CREATE OR REPLACE TEMP TABLE grown AS
SELECT o.reading, o.symbol, s.first AS old_first, s.last AS old_last,
       least(s.first, n.first) AS first, greatest(s.last, n.last) AS last
FROM (SELECT DISTINCT reading, symbol FROM origins) AS o
LEFT JOIN (
    SELECT reading, symbol, min(time) AS first, max(time) AS last FROM brought GROUP BY reading, symbol
) AS n USING (reading, symbol)
LEFT JOIN reading_symbols AS s USING (reading, symbol);
