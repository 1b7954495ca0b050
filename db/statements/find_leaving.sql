-- The stored bars that only the readings in `replaced` brought.
CREATE OR REPLACE TEMP TABLE leaving AS
SELECT bars.*
FROM bars
SEMI JOIN (SELECT freq, symbol, time FROM owned SEMI JOIN replaced USING (reading)) AS own USING (freq, symbol, time)
ANTI JOIN (
    SELECT freq, symbol, time
    FROM owned
    ANTI JOIN replaced USING (reading)
    WHERE symbol IN (SELECT symbol FROM reading_symbols SEMI JOIN replaced USING (reading))
) AS others USING (freq, symbol, time);
