INSERT INTO warned_bars
SELECT $freq, rule, symbol, date, time
FROM warned;
