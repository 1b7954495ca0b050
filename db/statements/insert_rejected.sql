INSERT INTO rejected_bars
SELECT $ingest, $freq, symbol, date, time, open, high, low, close, volume, amount, factor, rules
FROM refused;
