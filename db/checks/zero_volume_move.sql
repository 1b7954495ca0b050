-- warning: the price moves in a bar without volume: an estimated price, or lost volume. Indices and symbols that never have volume are excluded.
SELECT s.row
FROM steps AS s
SEMI JOIN (SELECT symbol FROM instruments WHERE kind <> 'index' AND traded) AS stocks USING (symbol)
WHERE s.volume = 0
  AND (s.high > s.low * (1 + 1e-6) OR abs(s.close / s.previous_close - 1) > 1e-6);
