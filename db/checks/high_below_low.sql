-- error: a high below the low of the same bar shows that the row was mangled; no field of it can be trusted.
SELECT row
FROM incoming
WHERE high < low;
