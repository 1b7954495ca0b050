-- The exchange that the user set last for bars of this frequency; no row if never set.
SELECT exchange FROM readings WHERE freq = $freq AND exchange <> '' ORDER BY ingest DESC, id DESC LIMIT 1;
