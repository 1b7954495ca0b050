INSERT INTO contradicted_bars
SELECT $freq, symbol, time
FROM contradicted
SEMI JOIN incoming USING (symbol, time);
