-- error: the close is a trade of the bar, so it lies between low and high (1e-6 relative allows for float32 rounding).
SELECT row
FROM incoming
WHERE close > high + 1e-6 * abs(high)
   OR close < low - 1e-6 * abs(low);
