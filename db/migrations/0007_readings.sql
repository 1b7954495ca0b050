-- Who brought which bars, and how they were read: so that a source read in another way replaces its earlier reading, and
-- a source can be removed, without touching what other sources brought.

-- A file, a directory or (place '') tables in memory, as read in one way.
CREATE TABLE readings (
    id       INTEGER NOT NULL,
    ingest   INTEGER NOT NULL,    -- the last that read it so
    source   VARCHAR NOT NULL,    -- qlib, csv, table, ...
    place    VARCHAR NOT NULL,    -- absolute path; '' where there is none
    freq     VARCHAR NOT NULL,
    exchange VARCHAR NOT NULL,    -- as the user set it; '' where not
    options  VARCHAR NOT NULL     -- JSON: name -> [as asked for, as read]
);

-- The stored bars of a symbol that a reading brought: those from the first to the last, but for the gaps. Both are NULL
-- for a symbol that is listed without a bar.
CREATE TABLE reading_symbols (
    reading INTEGER NOT NULL,
    symbol  VARCHAR NOT NULL,
    first   TIMESTAMP,
    last    TIMESTAMP
);

-- Stored bars between first and last that others brought.
CREATE TABLE reading_gaps (
    reading INTEGER NOT NULL,
    symbol  VARCHAR NOT NULL,
    time    TIMESTAMP NOT NULL
);

CREATE TABLE reading_universes (
    reading  INTEGER NOT NULL,
    universe VARCHAR NOT NULL
);

-- Sessions of a source's own calendar; those of other sources are the dates of their bars.
CREATE TABLE reading_sessions (
    reading INTEGER NOT NULL,
    date    DATE NOT NULL
);

-- What older versions stored has no known reading; the exchange that was set last still counts.
INSERT INTO readings
SELECT row_number() OVER (ORDER BY freq), max(id), '', '', freq, arg_max(exchange, id), '{}'
FROM ingests
WHERE exchange <> ''
GROUP BY freq;

ALTER TABLE rejected_bars ADD COLUMN reading INTEGER;
ALTER TABLE bars_history ADD COLUMN gone VARCHAR;    -- replaced, dropped: why the bar is no longer stored; NULL: it is
ALTER TABLE ingests ADD COLUMN dropped INTEGER;      -- the ingest (kq drop) that removed what this one brought
