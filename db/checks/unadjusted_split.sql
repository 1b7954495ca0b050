-- warning: the price opens near a simple ratio of the last close and stays there, and the volume fits a split, but the factor does not change: all returns and orders across that day are wrong.
WITH gaps AS (
    SELECT row, symbol, volume, open / previous_close AS gap
    FROM steps
    WHERE (open < previous_close * 0.78 OR open > previous_close * 1.28)
      AND abs(factor / previous_factor - 1) < 1e-3
),
-- 2 for 1, 3 for 1 ...; bonus shares of 5 or 3 for 10; and the other way round. The open differs from them by the overnight move.
ratios AS (
    SELECT least(n / d, d / n) AS ratio
    FROM (VALUES (1, 2), (1, 3), (1, 4), (1, 5), (1, 6), (1, 7), (1, 8), (1, 10), (1, 20), (2, 3), (3, 4), (2, 5), (10, 13))
         AS simple (n, d)
),
near AS (
    SELECT g.*
    FROM gaps AS g
    SEMI JOIN ratios AS r ON abs(ln(least(g.gap, 1 / g.gap) / r.ratio)) < 0.06
),
around AS (
    SELECT n.row, n.symbol, n.volume, n.gap, unnest(range(-20, 11)) AS place
    FROM near AS n
),
judged AS (
    SELECT a.row, a.gap,
           a.volume / median(i.volume) FILTER (a.place < 0 AND i.volume > 0) AS swell,
           count(*) FILTER (a.place < 0) AS bars_before,
           median(i.close) FILTER (a.place >= 0) / median(i.close) FILTER (a.place BETWEEN -10 AND -1) AS level
    FROM around AS a
    JOIN incoming AS i ON i.row = a.row + a.place AND i.symbol = a.symbol
    GROUP BY a.row, a.gap, a.volume
)
SELECT row
FROM judged
-- the new level holds: half of the gap would be a rebound
WHERE bars_before >= 5
  AND abs(ln(level / gap)) < 0.5 * abs(ln(gap))
  -- a crash trades many times the usual volume; after a split it is as before (kept as it was) or inversely as the price
  AND (swell IS NULL OR (least(swell, swell * gap) < 3 AND greatest(swell, swell * gap) > 0.25));
