-- The stored bars that are to be replaced, with their new values, of symbols with a restated bar; other differences
-- are rounding, and what is stored stays. `level` is the new factor / the stored one.
--   restated : its raw price, raw volume or amount differs, or its factor's step from the bar before
--   others   : only the level moved, with a factor restated before them; so do stored bars that the source lacks
CREATE OR REPLACE TEMP TABLE replacing AS
WITH paired AS (
    SELECT a.*,
           a.factor::DOUBLE / b.factor AS level,
           abs(a.open::DOUBLE * b.factor - b.open::DOUBLE * a.factor) > $tolerance * b.open * a.factor
           OR abs(a.high::DOUBLE * b.factor - b.high::DOUBLE * a.factor) > $tolerance * b.high * a.factor
           OR abs(a.low::DOUBLE * b.factor - b.low::DOUBLE * a.factor) > $tolerance * b.low * a.factor
           OR abs(a.close::DOUBLE * b.factor - b.close::DOUBLE * a.factor) > $tolerance * b.close * a.factor
           OR coalesce(abs(a.amount::DOUBLE - b.amount) > $tolerance * b.amount,
                       (a.amount IS NULL) <> (b.amount IS NULL))
           OR coalesce(
               -- raw, or as it is where the source does not adjust it
               abs(a.volume::DOUBLE * a.factor - b.volume::DOUBLE * b.factor) > $tolerance * b.volume * b.factor
               AND abs(a.volume::DOUBLE - b.volume) > $tolerance * b.volume,
               (a.volume IS NULL) <> (b.volume IS NULL)
           ) AS value_changed,
           coalesce(abs(a.volume::DOUBLE - b.volume) <= $tolerance * b.volume, false) AS volume_as_is
    FROM arriving AS a
    JOIN bars AS b ON b.freq = $freq AND b.symbol = a.symbol AND b.time = a.time
    WHERE a.symbol IN (SELECT symbol FROM compared WHERE differing > 0)
),
judged AS (
    SELECT *,
           value_changed
           OR (
               abs(level - 1) > $tolerance
               AND abs(level / lag(level, 1, 1) OVER (PARTITION BY symbol ORDER BY time) - 1) > $tolerance
           ) AS restated
    FROM paired
),
touched AS (
    SELECT * FROM judged SEMI JOIN (SELECT symbol FROM judged WHERE restated) AS hit USING (symbol)
),
lacking AS (
    SELECT b.*, (b.factor * t.level)::FLOAT AS own_factor, t.volume_as_is
    FROM (
        SELECT * FROM bars
        SEMI JOIN touched USING (symbol)
        ANTI JOIN arriving USING (symbol, time)
        WHERE freq = $freq
    ) AS b
    ASOF JOIN touched AS t ON b.symbol = t.symbol AND b.time > t.time
    WHERE NOT t.value_changed AND abs(t.level - 1) > $tolerance
)
SELECT symbol, date, time, open, high, low, close, volume, amount, factor, restated, true AS arrived
FROM touched
WHERE restated OR abs(level - 1) > $tolerance
UNION ALL
SELECT symbol, date, time,
       (open::DOUBLE / factor * own_factor)::FLOAT,
       (high::DOUBLE / factor * own_factor)::FLOAT,
       (low::DOUBLE / factor * own_factor)::FLOAT,
       (close::DOUBLE / factor * own_factor)::FLOAT,
       if(volume_as_is, volume, (volume::DOUBLE * factor / own_factor)::FLOAT),
       amount, own_factor, false, false
FROM lacking;
