-- error: price, volume or amount beyond any market's range: wrong byte order, or a damaged exponent or factor.
SELECT row
FROM incoming
WHERE (close > 0 AND isfinite(close) AND factor > 0 AND isfinite(factor) AND NOT close / factor::DOUBLE BETWEEN 1e-9 AND 1e9)
   OR (volume > 1e16 AND isfinite(volume))
   OR (amount > 1e20 AND isfinite(amount));
