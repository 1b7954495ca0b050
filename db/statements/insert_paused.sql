INSERT INTO paused_sessions
SELECT DISTINCT $freq, symbol, date
FROM paused
ANTI JOIN (SELECT symbol, date FROM paused_sessions WHERE freq = $freq) AS held USING (symbol, date);
