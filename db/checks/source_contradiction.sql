-- warning: the source's `change` or `vwap` contradicts the bar, on this bar alone: one of the two is damaged. Known from the ingest of Qlib directories only.
SELECT row
FROM incoming
SEMI JOIN contradicted USING (symbol, time);
