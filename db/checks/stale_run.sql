-- warning: the same prices and volume in 5 or more consecutive sessions are a bar copied forward or a broken feed; its zero returns could not be traded. A flat bar without a volume is a suspended session, which no reader sees.
WITH repeats AS (
    SELECT row, date, row - row_number() OVER (ORDER BY row) AS run
    FROM steps
    WHERE open = previous_open AND high = previous_high AND low = previous_low AND close = previous_close
      AND volume = previous_volume
      AND (volume > 0 OR high > low OR symbol NOT IN (SELECT symbol FROM instruments WHERE traded))
)
SELECT row
FROM repeats
SEMI JOIN (SELECT run FROM repeats GROUP BY run HAVING count(DISTINCT date) >= 4) AS long USING (run);
