INSERT INTO vanished_bars
SELECT $ingest, $freq, symbol, date, time, NULL
FROM vanished
WHERE NOT known;
