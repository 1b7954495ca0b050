-- error: a bar without symbol, session or time cannot be stored.
SELECT row
FROM incoming
WHERE symbol IS NULL OR date IS NULL OR time IS NULL;
