-- `steps` for the checks: every bar with the bar before it. `earlier` is `bars` one row later, and a positional join
-- copies nothing and needs no sort.
SELECT b.*,
       CASE WHEN b.number > 0 THEN e.date END AS previous_date,
       CASE WHEN b.number > 0 THEN e.time END AS previous_time,
       CASE WHEN b.number > 0 THEN e.open END AS previous_open,
       CASE WHEN b.number > 0 THEN e.high END AS previous_high,
       CASE WHEN b.number > 0 THEN e.low END AS previous_low,
       CASE WHEN b.number > 0 THEN e.close END AS previous_close,
       CASE WHEN b.number > 0 THEN e.volume END AS previous_volume,
       CASE WHEN b.number > 0 THEN e.amount END AS previous_amount,
       CASE WHEN b.number > 0 THEN e.factor END AS previous_factor
FROM bars AS b
POSITIONAL JOIN earlier AS e
