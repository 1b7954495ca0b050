-- warning: an adjusted close that moves by more than 40 % from one bar to the next is rarely a trade and often an unadjusted split.
SELECT * EXCLUDE (previous)
FROM (
    SELECT *, lag(close) OVER (PARTITION BY symbol ORDER BY time) AS previous
    FROM incoming
)
WHERE previous > 0 AND abs(close / previous - 1) > 0.4;
