-- warning: the volume of one bar is 1,000 times, or a thousandth of, that of the bars around it: a damaged number, a misplaced decimal point, another unit. Turnover and the model's fifth input are wrong there.
WITH leaps AS (
    SELECT row, symbol
    FROM steps
    WHERE previous_volume > 0
      AND volume > 0
      AND NOT volume * factor BETWEEN previous_volume * previous_factor / 100 AND previous_volume * previous_factor * 100
),
-- a leap may lead to an outlier or away from it
suspects AS (
    SELECT row, symbol FROM leaps
    UNION
    SELECT row - 1, symbol FROM leaps
),
places AS (SELECT row, symbol, unnest(range(-20, 21)) AS place FROM suspects),
judged AS (
    SELECT p.row,
           any_value(i.volume * i.factor) FILTER (i.volume > 0 AND place = 0) AS own,
           median(i.volume * i.factor) FILTER (i.volume > 0 AND place <> 0) AS usual,
           max(i.volume * i.factor) FILTER (i.volume > 0 AND place BETWEEN -2 AND 2 AND place <> 0) AS most_beside,
           min(i.volume * i.factor) FILTER (i.volume > 0 AND place BETWEEN -2 AND 2 AND place <> 0) AS least_beside,
           count(*) FILTER (i.volume > 0) AS bars
    FROM places AS p
    JOIN incoming AS i ON i.row = p.row + p.place AND i.symbol = p.symbol
    GROUP BY p.row
)
SELECT row
FROM judged
WHERE bars >= 10
  AND ((own > 1000 * usual AND own > 30 * most_beside) OR (own * 1000 < usual AND own * 30 < least_beside));
