-- Sessions in `bare_sessions` without a bar, stored or rejected, that are in no source's calendar.
DELETE FROM reading_sessions WHERE reading NOT IN (SELECT id FROM readings);

DELETE FROM sessions
WHERE (freq, date) IN (SELECT (freq, date) FROM bare_sessions)
  AND (freq, date) NOT IN (SELECT (freq, date) FROM bars)
  AND (freq, date) NOT IN (SELECT (freq, date) FROM rejected_bars WHERE date IS NOT NULL)
  AND (freq, date) NOT IN (SELECT (r.freq, s.date) FROM reading_sessions AS s JOIN readings AS r ON r.id = s.reading);
