-- error: a bar without one of its four prices cannot be traded or shown to the model (a row without any price is a suspension, not a bar).
SELECT row
FROM incoming
WHERE open IS NULL OR high IS NULL OR low IS NULL OR close IS NULL
   OR isnan(open) OR isnan(high) OR isnan(low) OR isnan(close);
