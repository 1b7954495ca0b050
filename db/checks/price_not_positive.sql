-- error: no share trades at zero or below; such a price is a placeholder, and returns computed from it are infinite.
SELECT row
FROM incoming
WHERE open <= 0 OR high <= 0 OR low <= 0 OR close <= 0;
