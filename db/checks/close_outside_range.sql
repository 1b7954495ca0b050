-- error: the close is a traded price and must lie between low and high (1e-6 relative tolerance for float32 rounding; of an index, whose values are computed and not traded, 0.5 %).
SELECT row
FROM incoming
WHERE (close > high + 1e-6 * abs(high) OR close < low - 1e-6 * abs(low))
  AND NOT (
      close BETWEEN low - 0.005 * abs(low) AND high + 0.005 * abs(high)
      AND symbol IN (SELECT symbol FROM instruments WHERE kind = 'index')
  );
