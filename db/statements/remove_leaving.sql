-- The bars in `leaving`, and what is known of them and of nothing else.
DELETE FROM bars
USING leaving AS l
WHERE bars.freq = l.freq AND bars.symbol = l.symbol AND bars.time = l.time;

DELETE FROM contradicted_bars
WHERE (freq, symbol, time) IN (SELECT (freq, symbol, time) FROM leaving);

DELETE FROM warned_bars
WHERE (freq, symbol, time) IN (SELECT (freq, symbol, time) FROM leaving);

DELETE FROM paused_sessions
WHERE (freq, symbol, date) IN (SELECT (freq, symbol, date) FROM leaving)
  AND (freq, symbol, date) NOT IN (SELECT (freq, symbol, date) FROM bars);

DELETE FROM unadjusted_volumes
WHERE (freq, symbol) IN (SELECT (freq, symbol) FROM leaving)
  AND (freq, symbol) NOT IN (SELECT (freq, symbol) FROM bars);
