-- warning: a move of over 40 %, or beyond the exchange's price limit, without a change of the factor rarely reflects a real price change: a split without its factor, a bad tick, a gap in the data.
WITH moves AS (
    SELECT row, symbol, date, number, abs(close / previous_close - 1) AS move, previous_date,
           previous_close / previous_factor AS raw
    FROM steps
    WHERE abs(close / previous_close - 1) > (SELECT least(0.4, min(fraction)) FROM limits)
),
-- the first sessions of a listing have no limit; symbols present when the data begin were listed before
listed AS (
    SELECT symbol, date, n.sessions
    FROM steps
    JOIN newcomers AS n ON starts_with(symbol, n.prefix) AND date >= n.since AND (n.until IS NULL OR date < n.until)
    WHERE number = 0 AND date > (SELECT min(date) FROM incoming)
)
SELECT row FROM moves WHERE move > 0.4
UNION ALL
SELECT row
FROM moves AS m
JOIN limits AS l ON starts_with(m.symbol, l.prefix) AND m.date >= l.since AND (l.until IS NULL OR m.date < l.until)
LEFT JOIN listed USING (symbol)
-- a limit counts from the last close of the session before, and is rounded to 0.01 as the ex-dividend price is
WHERE m.previous_date < m.date
  AND m.move > l.fraction + 0.001 + 0.011 / m.raw
  AND (listed.sessions IS NULL OR m.number >= listed.sessions);
