-- The exchange that the user set last for bars of this frequency; no row if never set.
SELECT exchange FROM ingests WHERE freq = $freq AND exchange <> '' ORDER BY id DESC LIMIT 1;
