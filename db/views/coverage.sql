-- One row a symbol: how many bars it has, and how many sessions of its life have none (suspensions).
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
