-- A symbol whose bars arrive again is told again whether its volume is adjusted.
DELETE FROM unadjusted_volumes
WHERE freq = $freq AND symbol IN (SELECT symbol FROM incoming);
