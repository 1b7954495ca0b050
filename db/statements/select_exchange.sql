-- The exchange a user named last for bars of this frequency; no row when nobody ever did.
SELECT exchange FROM ingests WHERE freq = $freq AND exchange <> '' ORDER BY id DESC LIMIT 1;
