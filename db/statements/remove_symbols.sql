-- The symbols in `dropped` at the frequencies in `dropped_freqs`: their bars to `leaving`, what is known of them removed.
CREATE OR REPLACE TEMP TABLE leaving AS
SELECT bars.*
FROM bars
SEMI JOIN dropped USING (symbol)
SEMI JOIN dropped_freqs USING (freq);

CREATE OR REPLACE TEMP TABLE bare_sessions AS
SELECT freq, date FROM leaving
UNION
SELECT freq, date FROM rejected_bars SEMI JOIN dropped USING (symbol) SEMI JOIN dropped_freqs USING (freq);

DELETE FROM rejected_bars
WHERE symbol IN (SELECT symbol FROM dropped) AND freq IN (SELECT freq FROM dropped_freqs);

DELETE FROM paused_sessions
WHERE symbol IN (SELECT symbol FROM dropped) AND freq IN (SELECT freq FROM dropped_freqs);

CREATE OR REPLACE TEMP TABLE unnamed AS
SELECT symbol
FROM dropped
WHERE symbol NOT IN (SELECT symbol FROM bars WHERE freq NOT IN (SELECT freq FROM dropped_freqs));

DELETE FROM reading_gaps
WHERE symbol IN (SELECT symbol FROM dropped)
  AND reading IN (SELECT id FROM readings SEMI JOIN dropped_freqs USING (freq));

DELETE FROM reading_symbols
WHERE symbol IN (SELECT symbol FROM dropped)
  AND reading IN (SELECT id FROM readings SEMI JOIN dropped_freqs USING (freq));

-- a reading of which nothing is left; its calendar and lists stay those of the user
DELETE FROM readings
WHERE place <> ''
  AND freq IN (SELECT freq FROM dropped_freqs)
  AND id NOT IN (SELECT reading FROM reading_symbols);

DELETE FROM reading_universes WHERE reading NOT IN (SELECT id FROM readings);
