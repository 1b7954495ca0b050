-- error: a price at or below zero is a placeholder; returns computed from it are infinite.
SELECT row
FROM incoming
WHERE open <= 0 OR high <= 0 OR low <= 0 OR close <= 0;
