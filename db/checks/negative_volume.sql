-- error: volume or amount is negative or infinite.
SELECT row
FROM incoming
WHERE volume < 0 OR amount < 0 OR NOT isfinite(volume) OR NOT isfinite(amount);
