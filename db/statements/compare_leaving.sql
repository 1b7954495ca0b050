-- The bars of an earlier reading beside those that arrive: which are gone, which have other values.
CREATE OR REPLACE TEMP TABLE read_again AS
SELECT l.symbol, l.time, l.freq, a.symbol IS NULL AS gone,
       a.symbol IS NOT NULL
       AND (l.open, l.high, l.low, l.close, l.volume, l.amount, l.factor)
           IS DISTINCT FROM (a.open, a.high, a.low, a.close, a.volume, a.amount, a.factor) AS restated
FROM leaving AS l
LEFT JOIN arriving AS a ON l.freq = $freq AND a.symbol = l.symbol AND a.time = l.time;
