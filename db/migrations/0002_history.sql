-- What the store knew before: bars that a later ingest replaced, and the scales in which sources came.

ALTER TABLE ingests ADD COLUMN restated BIGINT DEFAULT 0;  -- past bars that came with another raw value or factor
ALTER TABLE ingests ADD COLUMN rescaled BIGINT DEFAULT 0;  -- symbols that came in another scale than the stored one

-- The former values of replaced bars. As it was after ingest N: of each key the oldest row that an ingest later than N
-- replaced, else the present bar.
CREATE TABLE bars_history (
    ingest   INTEGER NOT NULL,    -- that replaced the bar; ingests.finished says when
    freq     VARCHAR NOT NULL,
    symbol   VARCHAR NOT NULL,
    date     DATE NOT NULL,
    time     TIMESTAMP NOT NULL,
    open     FLOAT NOT NULL,
    high     FLOAT NOT NULL,
    low      FLOAT NOT NULL,
    close    FLOAT NOT NULL,
    volume   FLOAT NOT NULL,
    amount   FLOAT NOT NULL,
    factor   FLOAT NOT NULL,
    restated BOOLEAN NOT NULL     -- false: only the level of its factor moved, with a factor restated before it
);

-- A symbol that came with all prices and factors times one number: its bars were converted to the stored scale.
CREATE TABLE rescales (
    ingest INTEGER NOT NULL,
    freq   VARCHAR NOT NULL,
    symbol VARCHAR NOT NULL,
    scale  DOUBLE NOT NULL,       -- incoming factor / stored factor
    seam   BOOLEAN NOT NULL       -- true: no bar in common, told by the jump between the stored and the incoming bars
);
