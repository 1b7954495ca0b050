-- error: high below low: the row is corrupted, and none of its fields can be trusted.
SELECT row
FROM incoming
WHERE high < low;
