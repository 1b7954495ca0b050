-- warning: the source's own `change` or `vwap` says otherwise than the bar, on this bar alone: one of the two is damaged, and nothing tells which. Known from the ingest; other sources have no such fields.
SELECT row
FROM incoming
SEMI JOIN contradicted USING (symbol, time);
