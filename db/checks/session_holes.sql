-- warning: bars are missing inside a session, of a symbol that has nearly all bars elsewhere: lost data, and windows across the gap jump in time. Selects the first bar after the gap.
WITH within AS MATERIALIZED (
    SELECT row, symbol, date, time, previous_time
    FROM steps
    WHERE date = previous_date AND time > previous_time
),
common AS (SELECT mode(time - previous_time) AS step FROM within),
parts AS (
    SELECT *, coalesce(sum(slots) OVER (PARTITION BY date ORDER BY open ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
    FROM (SELECT *, ceil(epoch(close - open) / epoch(step)) AS slots FROM hours, common)
),
-- by the exchange's hours: how many bars of the session lie between a bar and the one before it
by_hours AS (
    SELECT w.row, w.symbol,
           here.before + ceil(epoch(w.time - here.open) / epoch(c.step))
               - there.before - ceil(epoch(w.previous_time - there.open) / epoch(c.step)) - 1 AS missing
    FROM within AS w
    JOIN parts AS here ON here.date = w.date AND w.time > here.open AND w.time <= here.close
    JOIN parts AS there ON there.date = w.date AND w.previous_time > there.open AND w.previous_time <= there.close
    CROSS JOIN common AS c
),
-- without hours: a pause that is not one of most days, as a lunch break is
pauses AS (
    SELECT row, symbol, previous_time::TIME AS since, time::TIME AS until,
           round(epoch(time - previous_time) / epoch(step)) - 1 AS missing
    FROM within, common
    WHERE time > previous_time + 1.5 * step AND (SELECT count(*) FROM hours) = 0
),
breaks AS (
    SELECT since, until
    FROM pauses
    GROUP BY since, until
    HAVING count(*) * 2 > (SELECT count(*) FROM steps WHERE date IS DISTINCT FROM previous_date)
),
holes AS (
    SELECT row, symbol, missing FROM by_hours WHERE missing > 0
    UNION ALL
    SELECT row, symbol, missing FROM pauses ANTI JOIN breaks USING (since, until)
),
-- a symbol that often has no bar is thinly traded, and nothing is lost
full_symbols AS (
    SELECT symbol
    FROM incoming
    JOIN (SELECT symbol, sum(missing) AS missing FROM holes GROUP BY symbol) USING (symbol)
    GROUP BY symbol
    HAVING any_value(missing) < 0.1 * count(*)
)
SELECT row
FROM holes
SEMI JOIN full_symbols USING (symbol);
