-- Every incoming symbol held against its stored bars: how many bars are new, how many differ, and in which scale it
-- comes. The scale (incoming factor / stored factor) is inferred from the earliest bar in common whose raw close is as
-- stored: the bars before it, which the source may not hold, then stay continuous with those that it does.
-- `fresh` symbols have no stored bars, and there is nothing to compare.
CREATE OR REPLACE TEMP TABLE compared AS
WITH stored AS MATERIALIZED (SELECT DISTINCT symbol FROM bars WHERE freq = $freq)
SELECT symbol, added, differing, common, if(abs(scale - 1) > $tolerance, scale, 1.0) AS scale, volume_as_is,
       false AS seam, false AS fresh
FROM (
    SELECT i.symbol,
           count(*) FILTER (b.symbol IS NULL) AS added,
           count(*) FILTER (
               b.symbol IS NOT NULL
               AND (b.open, b.high, b.low, b.close, b.volume, b.amount, b.factor)
                   IS DISTINCT FROM (i.open, i.high, i.low, i.close, i.volume, i.amount, i.factor)
           ) AS differing,
           count(b.symbol) AS common,
           coalesce(arg_min(i.factor::DOUBLE / b.factor, i.time) FILTER (
               abs(i.close::DOUBLE * b.factor - b.close::DOUBLE * i.factor) <= $tolerance * b.close * i.factor
           ), 1) AS scale,
           -- a volume that is not adjusted has no scale
           coalesce(arg_min(abs(i.volume::DOUBLE - b.volume) <= $tolerance * b.volume, i.time) FILTER (b.volume > 0),
                    list_contains($unadjusted_volume, i.symbol)) AS volume_as_is
    FROM (SELECT * FROM incoming SEMI JOIN stored USING (symbol)) AS i
    LEFT JOIN bars AS b ON b.freq = $freq AND b.symbol = i.symbol AND b.time = i.time
    GROUP BY i.symbol
)
UNION ALL
SELECT symbol, count(*), 0, 0, 1, list_contains($unadjusted_volume, symbol), false, true
FROM incoming
ANTI JOIN stored USING (symbol)
GROUP BY symbol;
