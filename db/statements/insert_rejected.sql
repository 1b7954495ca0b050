INSERT INTO rejected_bars
SELECT $ingest, $freq, symbol, date, time, open, high, low, close, volume, amount, factor, rules, reading
FROM refused_by;
