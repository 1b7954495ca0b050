-- error: volume or amount is negative or not a number.
SELECT row
FROM incoming
WHERE volume < 0 OR amount < 0 OR isnan(volume) OR isnan(amount);
