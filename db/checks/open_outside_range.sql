-- warning: the open is a traded price and must lie between low and high; an order filled at such an open gets a price that never traded.
SELECT row
FROM incoming
WHERE open > high + 1e-6 * abs(high)
   OR open < low - 1e-6 * abs(low);
