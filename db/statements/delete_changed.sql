-- Stored bars that the incoming ones replace.
DELETE FROM bars
USING incoming AS i
WHERE bars.freq = $freq AND bars.symbol = i.symbol AND bars.time = i.time
  AND (bars.open, bars.high, bars.low, bars.close, bars.volume, bars.amount, bars.factor)
      IS DISTINCT FROM (i.open, i.high, i.low, i.close, i.volume, i.amount, i.factor);
