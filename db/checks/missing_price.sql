-- error: a bar without one of its four prices cannot be traded on or shown to the model (no price at all is no bar: a suspension).
SELECT row
FROM incoming
WHERE open IS NULL OR high IS NULL OR low IS NULL OR close IS NULL
   OR NOT (isfinite(open) AND isfinite(high) AND isfinite(low) AND isfinite(close));
