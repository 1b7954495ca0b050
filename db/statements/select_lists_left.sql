-- Lists that name a symbol of `leaving` which has no bars any more.
WITH bare AS (SELECT DISTINCT symbol FROM leaving WHERE symbol NOT IN (SELECT symbol FROM bars))
SELECT DISTINCT 'universe ' || universe AS name FROM universes SEMI JOIN bare USING (symbol)
UNION
SELECT DISTINCT 'intervals ' || kind FROM intervals SEMI JOIN bare USING (symbol)
UNION
SELECT DISTINCT 'dividends' FROM dividends SEMI JOIN bare USING (symbol)
ORDER BY name;
