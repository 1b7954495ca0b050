-- error: no share trades at zero or below; such a price is a placeholder, and returns computed from it are infinite.
SELECT *
FROM incoming
WHERE least(open, high, low, close) <= 0;
