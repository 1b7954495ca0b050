-- Arriving bars that the store does not hold.
INSERT INTO bars
SELECT $freq, symbol, date, time, open, high, low, close, volume, amount, factor
FROM arriving
ANTI JOIN (SELECT symbol, time FROM bars WHERE freq = $freq) AS held USING (symbol, time);
