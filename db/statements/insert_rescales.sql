INSERT INTO rescales
SELECT $ingest, $freq, symbol, scale, seam FROM compared WHERE scale <> 1;
