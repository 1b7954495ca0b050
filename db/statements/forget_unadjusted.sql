-- Whether a symbol's volume is adjusted is determined again with each arrival of its bars.
DELETE FROM unadjusted_volumes
WHERE freq = $freq AND symbol IN (SELECT symbol FROM incoming);
