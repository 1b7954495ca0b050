-- A key that arrives again is judged again.
DELETE FROM contradicted_bars
WHERE freq = $freq AND (symbol, time) IN (SELECT (symbol, time) FROM incoming);
