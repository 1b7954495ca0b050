INSERT INTO bars
SELECT $freq, symbol, date, time, open, high, low, close, volume, amount, factor
FROM replacing;
