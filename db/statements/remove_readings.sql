-- The readings in `replaced`, and what only they said: bars they had rejected, symbols, universes.
DELETE FROM rejected_bars WHERE reading IN (SELECT reading FROM replaced);

DELETE FROM universes
WHERE universe IN (SELECT universe FROM reading_universes SEMI JOIN replaced USING (reading));

-- sessions that its calendar gave in advance
DELETE FROM calendar_sessions
WHERE origin = 'source'
  AND exchange IN (
      SELECT exchange FROM readings WHERE id IN (SELECT reading FROM reading_sessions SEMI JOIN replaced USING (reading))
  )
  AND exchange NOT IN (
      SELECT exchange FROM readings WHERE id IN (SELECT reading FROM reading_sessions ANTI JOIN replaced USING (reading))
  );

-- sessions without a bar that they call suspended
DELETE FROM paused_sessions
WHERE (freq, symbol) IN (
    SELECT (r.freq, s.symbol) FROM reading_symbols AS s SEMI JOIN replaced USING (reading) JOIN readings AS r ON r.id = s.reading
) AND (freq, symbol) NOT IN (
    SELECT (r.freq, s.symbol) FROM reading_symbols AS s ANTI JOIN replaced USING (reading) JOIN readings AS r ON r.id = s.reading
);

CREATE OR REPLACE TEMP TABLE unnamed AS
SELECT DISTINCT symbol
FROM reading_symbols
SEMI JOIN replaced USING (reading)
WHERE symbol NOT IN (SELECT symbol FROM reading_symbols ANTI JOIN replaced USING (reading))
  AND symbol NOT IN (SELECT symbol FROM bars);

DELETE FROM reading_symbols WHERE reading IN (SELECT reading FROM replaced);
DELETE FROM reading_gaps WHERE reading IN (SELECT reading FROM replaced);
DELETE FROM reading_universes WHERE reading IN (SELECT reading FROM replaced);
DELETE FROM readings WHERE id IN (SELECT reading FROM replaced);
