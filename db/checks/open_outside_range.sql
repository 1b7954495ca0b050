-- warning: the open is a trade of the bar, so it lies between low and high; an order filled at such an open is filled at a price that nobody paid.
SELECT row
FROM incoming
WHERE open > high + 1e-6 * abs(high)
   OR open < low - 1e-6 * abs(low);
