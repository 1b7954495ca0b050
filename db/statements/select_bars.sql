-- The bars of a range of symbols, as they lie.
SELECT symbol, date, time, open, high, low, close, volume, amount, factor
FROM bars
WHERE freq = $freq AND symbol BETWEEN $first AND $last;
