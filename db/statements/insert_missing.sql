-- Arriving bars that the store does not hold, of symbols of which it holds others.
INSERT INTO bars
SELECT $freq, symbol, date, time, open, high, low, close, volume, amount, factor
FROM arriving
SEMI JOIN (SELECT symbol FROM compared WHERE NOT fresh AND added > 0) AS extended USING (symbol)
ANTI JOIN (SELECT symbol, time FROM bars WHERE freq = $freq) AS held USING (symbol, time);
