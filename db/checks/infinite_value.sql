-- error: a price, volume, amount or factor is infinite: beyond what float32 can hold (3.4e38), or written as infinity.
SELECT row
FROM incoming
WHERE isinf(open) OR isinf(high) OR isinf(low) OR isinf(close) OR isinf(volume) OR isinf(amount) OR isinf(factor);
