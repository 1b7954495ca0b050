-- One row per symbol: number of bars, and of sessions between its first and last bar without one (suspensions).
CREATE VIEW coverage AS
WITH lives AS (
    SELECT symbol, count(*) AS bars, count(DISTINCT date) AS traded, min(date) AS first_date, max(date) AS last_date
    FROM bars
    GROUP BY symbol
)
SELECT symbol, bars, first_date, last_date, count(s.date) - traded AS suspended
FROM lives
LEFT JOIN sessions AS s ON s.date BETWEEN first_date AND last_date
GROUP BY symbol, bars, traded, first_date, last_date;
