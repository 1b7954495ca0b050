-- The spans in `grown` as they are after the batch.
DELETE FROM reading_symbols
WHERE (reading, symbol) IN (SELECT (reading, symbol) FROM grown);

INSERT INTO reading_symbols
SELECT reading, symbol, first, last FROM grown;
