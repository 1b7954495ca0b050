-- Bars at which the factor changed: a ratio of 2 is a 2-for-1 split (the raw price halves), one slightly above 1 a dividend.
CREATE VIEW corporate_actions AS
SELECT symbol, date, time, ratio
FROM (
    SELECT symbol, date, time, factor::DOUBLE / lag(factor) OVER (PARTITION BY symbol ORDER BY time) AS ratio
    FROM bars
)
WHERE abs(ratio - 1) > 1e-6  -- rounding of float32 is at most 2.4e-7
ORDER BY symbol, time;
