-- Sessions of the bars in `leaving`, and of calendars and rejected bars of the readings in `replaced`; remove_sessions.sql
-- removes those that nothing else has.
CREATE OR REPLACE TEMP TABLE bare_sessions AS
SELECT freq, date FROM leaving
UNION
SELECT r.freq, s.date
FROM reading_sessions AS s
SEMI JOIN replaced USING (reading)
JOIN readings AS r ON r.id = s.reading
UNION
SELECT freq, date FROM rejected_bars SEMI JOIN replaced USING (reading);
