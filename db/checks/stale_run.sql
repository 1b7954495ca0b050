-- warning: the same prices and volume in 5 or more consecutive sessions are a bar copied forward over a suspension or a broken feed; its zero returns could not be traded.
WITH repeats AS (
    SELECT row, date, row - row_number() OVER (ORDER BY row) AS run
    FROM steps
    WHERE open = previous_open AND high = previous_high AND low = previous_low AND close = previous_close
      AND volume = previous_volume
)
SELECT row
FROM repeats
SEMI JOIN (SELECT run FROM repeats GROUP BY run HAVING count(DISTINCT date) >= 4) AS long USING (run);
