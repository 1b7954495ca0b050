-- How many of the incoming bars are new, and how many differ from the stored bar of the same key.
SELECT count(*) FILTER (b.symbol IS NULL),
       count(*) FILTER (
           b.symbol IS NOT NULL
           AND (b.open, b.high, b.low, b.close, b.volume, b.amount, b.factor)
               IS DISTINCT FROM (i.open, i.high, i.low, i.close, i.volume, i.amount, i.factor)
       )
FROM incoming AS i
LEFT JOIN bars AS b ON b.freq = $freq AND b.symbol = i.symbol AND b.time = i.time;
