-- Incoming bars that the store does not hold (any more).
INSERT INTO bars
SELECT $freq, symbol, date, time, open, high, low, close, volume, amount, factor
FROM incoming
ANTI JOIN (SELECT symbol, time FROM bars WHERE freq = $freq) AS held USING (symbol, time);
