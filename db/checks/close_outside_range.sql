-- error: the close is a traded price and must lie between low and high (1e-6 relative tolerance for float32 rounding).
SELECT row
FROM incoming
WHERE close > high + 1e-6 * abs(high)
   OR close < low - 1e-6 * abs(low);
