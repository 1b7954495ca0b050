-- The exchange a user named last; NULL when nobody ever did.
SELECT exchange FROM ingests WHERE exchange <> '' ORDER BY id DESC LIMIT 1;
