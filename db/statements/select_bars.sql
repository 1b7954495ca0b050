SELECT symbol, date, time, open, high, low, close, volume, amount, factor
FROM bars
WHERE freq = $freq
ORDER BY symbol, time;
