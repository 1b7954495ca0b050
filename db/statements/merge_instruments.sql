-- The newest statement about an instrument wins; no statement (NULL, '') changes nothing.
INSERT INTO instruments
SELECT symbol, exchange, kind, first_date, last_date, in_all FROM incoming_instruments
ON CONFLICT (symbol) DO UPDATE SET
    exchange = coalesce(nullif(excluded.exchange, ''), exchange),
    kind = coalesce(excluded.kind, kind),
    first_date = coalesce(excluded.first_date, first_date),
    last_date = coalesce(excluded.last_date, last_date),
    in_all = coalesce(excluded.in_all, in_all);
