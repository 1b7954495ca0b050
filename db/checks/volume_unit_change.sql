-- warning: from one bar on the volume is 100 times, or a hundredth of, what it was: lots of 100 versus shares. Turnover, lots and the model's fifth input change their meaning there.
WITH leaps AS (
    SELECT row, symbol
    FROM steps
    WHERE volume > 0 AND previous_volume > 0
      AND NOT volume * factor BETWEEN previous_volume * previous_factor / 20 AND previous_volume * previous_factor * 20
),
places AS (SELECT row, symbol, unnest(range(-10, 10)) AS place FROM leaps),
judged AS (
    SELECT p.row,
           min(i.volume * i.factor) FILTER (place < 0) AS least_before, max(i.volume * i.factor) FILTER (place < 0) AS most_before,
           min(i.volume * i.factor) FILTER (place >= 0) AS least_after, max(i.volume * i.factor) FILTER (place >= 0) AS most_after,
           median(i.volume * i.factor) FILTER (place >= 0) / median(i.volume * i.factor) FILTER (place < 0) AS ratio,
           least(count(*) FILTER (place < 0), count(*) FILTER (place >= 0)) AS bars
    FROM places AS p
    JOIN incoming AS i ON i.row = p.row + p.place AND i.symbol = p.symbol
    WHERE i.volume > 0
    GROUP BY p.row
)
SELECT row
FROM judged
-- every bar after lies beyond every bar before: one day's frenzy is no unit
WHERE bars >= 5
  AND ((ratio BETWEEN 40 AND 250 AND least_after > most_before)
       OR (1 / ratio BETWEEN 40 AND 250 AND most_after < least_before));
