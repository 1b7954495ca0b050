-- Bars of symbols that the store does not hold, as they came.
INSERT INTO bars
SELECT $freq, symbol, date, time, open, high, low, close, volume, amount, factor
FROM incoming
SEMI JOIN (SELECT symbol FROM compared WHERE fresh) AS whole USING (symbol);
