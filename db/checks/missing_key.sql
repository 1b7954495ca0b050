-- error: a bar without symbol, session or time cannot be put anywhere.
SELECT row
FROM incoming
WHERE symbol IS NULL OR date IS NULL OR time IS NULL;
