-- What a source does not say of itself, and what Qlib does not carry: how each ingest was read, whose volume is not
-- adjusted, and dated facts about symbols (special treatment, listing, industry).

CREATE TABLE ingest_options (
    ingest INTEGER NOT NULL,
    name   VARCHAR NOT NULL,      -- labels, amount, volume
    value  VARCHAR NOT NULL
);

-- raw volume = volume * factor, but for these it is the volume itself.
CREATE TABLE unadjusted_volumes (
    freq   VARCHAR NOT NULL,
    symbol VARCHAR NOT NULL
);

CREATE TABLE intervals (
    kind    VARCHAR NOT NULL,     -- st, listing, industry
    symbol  VARCHAR NOT NULL,
    "start" DATE NOT NULL,
    "end"   DATE NOT NULL,        -- inclusive
    value   VARCHAR               -- the industry's name; NULL where the interval alone says it
);
