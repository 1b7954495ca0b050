-- The market store: bars as their source gives them (adjusted prices beside their factor), what was refused and why,
-- who was listed and who was a member when. `raw price = price / factor`.

CREATE TABLE ingests (
    id       INTEGER PRIMARY KEY,
    finished TIMESTAMP NOT NULL,  -- UTC
    source   VARCHAR NOT NULL,    -- qlib, csv, synthetic, ...
    path     VARCHAR,
    freq     VARCHAR NOT NULL,
    exchange VARCHAR NOT NULL,    -- as the user named it; '' where nobody did
    bars     BIGINT NOT NULL,
    added    BIGINT NOT NULL,
    changed  BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    notes    VARCHAR[] NOT NULL
);

-- (freq, symbol, time) is the key. It is kept by the statements that write here, not by an index: an index of
-- three columns over tens of millions of bars costs more memory than the bars.
CREATE TABLE bars (
    freq   VARCHAR NOT NULL,
    symbol VARCHAR NOT NULL,
    date   DATE NOT NULL,
    time   TIMESTAMP NOT NULL,    -- end of the bar, exchange-local
    open   FLOAT NOT NULL,
    high   FLOAT NOT NULL,
    low    FLOAT NOT NULL,
    close  FLOAT NOT NULL,
    volume FLOAT NOT NULL,
    amount FLOAT NOT NULL,
    factor FLOAT NOT NULL
);

-- The present state of refusal: a key that later arrives in good order leaves this table.
CREATE TABLE rejected_bars (
    ingest INTEGER NOT NULL,
    freq   VARCHAR NOT NULL,
    symbol VARCHAR,
    date   DATE,
    time   TIMESTAMP,
    open   FLOAT,
    high   FLOAT,
    low    FLOAT,
    close  FLOAT,
    volume FLOAT,
    amount FLOAT,
    factor FLOAT,
    rules  VARCHAR NOT NULL       -- names of the checks it broke, joined by ', '
);

-- NULL: no source has said; the bars themselves then speak.
CREATE TABLE instruments (
    symbol     VARCHAR PRIMARY KEY,
    exchange   VARCHAR NOT NULL,
    kind       VARCHAR,
    first_date DATE,
    last_date  DATE
);

CREATE TABLE universes (
    universe VARCHAR NOT NULL,
    symbol   VARCHAR NOT NULL,
    "start"  DATE NOT NULL,
    "end"    DATE NOT NULL        -- inclusive
);

CREATE TABLE sessions (
    freq VARCHAR NOT NULL,
    date DATE NOT NULL,
    PRIMARY KEY (freq, date)
);
