-- A key that arrives again is judged again.
DELETE FROM rejected_bars
WHERE freq = $freq
  AND (symbol, time) IN (SELECT (symbol, time) FROM incoming UNION ALL SELECT (symbol, time) FROM refused);
