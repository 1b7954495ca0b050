-- error: raw price = price / factor; without a positive factor orders, lots and price limits cannot be computed.
SELECT row
FROM incoming
WHERE factor IS NULL OR factor <= 0 OR isnan(factor);
