-- error: the exchange was closed on that day or at that time, and few other symbols have bars then: a wrong stamp, a filled-in holiday, a weekend, a lunch break.
-- Where most symbols trade, the calendar is in doubt, not the bar: see calendar_contradiction. With fewer than 5
-- symbols a bar is rejected only on a weekend, on a holiday that repeats the day before, or at an hour at which no
-- symbol trades, and only if that is rare: a symbol often off the calendar follows another one.
-- (A symbol's first bar of a date, `fresh`, counts for the day.)
WITH off_days AS MATERIALIZED (
    SELECT row, symbol, date, date IS DISTINCT FROM previous_date AS fresh
    FROM steps
    WHERE date NOT IN (SELECT date FROM sessions)
),
near AS (
    SELECT date AS off_date, unnest(range(-10, 11)) AS days
    FROM (SELECT DISTINCT date FROM off_days)
),
traded AS (
    SELECT date, count(*) AS symbols
    FROM steps
    WHERE date IS DISTINCT FROM previous_date AND date IN (SELECT off_date + days::INTEGER FROM near)
    GROUP BY date
),
votes AS MATERIALIZED (
    SELECT n.off_date AS date, max(t.symbols) AS active, max(t.symbols) FILTER (n.days = 0) AS trading
    FROM near AS n
    JOIN traded AS t ON t.date = n.off_date + n.days::INTEGER
    GROUP BY n.off_date
),
few AS (SELECT symbol, count(*) FILTER (fresh) AS off FROM off_days GROUP BY symbol),
own_days AS (
    SELECT symbol, few.off, days
    FROM few
    JOIN (
        SELECT symbol, count(*) AS days
        FROM steps
        WHERE symbol IN (SELECT symbol FROM few) AND date IS DISTINCT FROM previous_date
        GROUP BY symbol
    ) USING (symbol)
    WHERE (SELECT min(active) < 5 FROM votes)
),
certain AS (
    SELECT row
    FROM steps
    SEMI JOIN off_days USING (row)
    WHERE dayofweek(date) IN (0, 6)
       OR (close = previous_close AND (volume = 0 OR (open = previous_open AND high = previous_high AND low = previous_low)))
),
-- bars are stamped at their end: the one stamped at the opening would have ended before it
off_hours AS MATERIALIZED (
    SELECT i.row, i.symbol, i.date, i.time
    FROM incoming AS i
    SEMI JOIN hours AS known ON known.date = i.date
    ANTI JOIN hours AS h ON h.date = i.date AND i.time > h.open AND i.time <= h.close
),
-- one at the opening of a part whose last bar is missing is labelled at its start
by_start AS (
    SELECT o.row
    FROM off_hours AS o
    JOIN hours AS h ON h.date = o.date AND h.open = o.time
    ANTI JOIN incoming AS i ON i.symbol = o.symbol AND i.time = h.close
),
own_bars AS (
    SELECT i.symbol, count(*) AS bars, count(o.row) AS off, count(DISTINCT i.date) AS days
    FROM incoming AS i
    LEFT JOIN off_hours AS o USING (row)
    WHERE i.symbol IN (SELECT symbol FROM off_hours)
    GROUP BY i.symbol
),
-- what a symbol does on most of its days is its source's habit
habits AS (
    SELECT symbol, time::TIME AS clock
    FROM off_hours
    JOIN own_bars USING (symbol)
    GROUP BY symbol, time::TIME, days
    HAVING days >= 5 AND count(DISTINCT date) * 2 >= days
),
active AS (
    SELECT date, count(DISTINCT symbol) AS active
    FROM incoming
    SEMI JOIN off_hours USING (date)
    GROUP BY date
),
at_once AS (SELECT time, count(DISTINCT symbol) AS trading FROM off_hours GROUP BY time)
SELECT d.row
FROM off_days AS d
JOIN votes USING (date)
LEFT JOIN own_days AS own USING (symbol)
WHERE CASE
    WHEN active >= 5 THEN trading * 2 < active
    ELSE d.row IN (FROM certain) AND own.off <= greatest(1, 0.05 * own.days) AND own.off < own.days
END
UNION ALL
SELECT o.row
FROM off_hours AS o
JOIN active USING (date)
JOIN at_once USING (time)
JOIN own_bars AS own USING (symbol)
WHERE own.off <= greatest(1, 0.02 * own.bars)
  AND own.off < own.bars
  AND (active < 5 OR trading * 2 < active)
  AND o.row NOT IN (FROM by_start)
  AND (o.symbol, o.time::TIME) NOT IN (SELECT (symbol, clock) FROM habits);
