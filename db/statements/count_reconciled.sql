-- What the comparison found: new bars, replaced bars of the batch, symbols in another scale, those inferred from the
-- seam alone, and symbols whose factor jumps at a seam without another scale.
SELECT coalesce(sum(added), 0)::BIGINT,
       (SELECT count(*) FROM replacing WHERE arrived),
       count(*) FILTER (scale <> 1),
       count(*) FILTER (scale <> 1 AND seam),
       count(*) FILTER (scale = 1 AND seam)
FROM compared;
