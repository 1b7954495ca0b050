-- What a source lost: stored bars that a later ingest of the same symbol and span no longer brought, and bars whose
-- source contradicts itself.

-- The bars themselves stay where they are.
CREATE TABLE vanished_bars (
    ingest   INTEGER NOT NULL,    -- the first that lacked the bar
    freq     VARCHAR NOT NULL,
    symbol   VARCHAR NOT NULL,
    date     DATE NOT NULL,
    time     TIMESTAMP NOT NULL,
    returned INTEGER              -- the ingest that brought it again; NULL while it is gone
);

-- The present state, as rejected_bars: a key that arrives again is judged again.
CREATE TABLE contradicted_bars (
    freq   VARCHAR NOT NULL,
    symbol VARCHAR NOT NULL,
    time   TIMESTAMP NOT NULL
);
