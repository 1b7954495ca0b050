-- What a session without a trade is, told apart from what a source writes into it, and whom its lists name.

-- Whether the source's list of all symbols names it; NULL: no source had such a list.
ALTER TABLE instruments ADD COLUMN in_all BOOLEAN;

-- NULL: the source has no number.
ALTER TABLE bars ALTER COLUMN volume DROP NOT NULL;
ALTER TABLE bars ALTER COLUMN amount DROP NOT NULL;
ALTER TABLE bars_history ALTER COLUMN volume DROP NOT NULL;
ALTER TABLE bars_history ALTER COLUMN amount DROP NOT NULL;

-- Sessions that a source calls suspended, with a bar or without.
CREATE TABLE paused_sessions (
    freq   VARCHAR NOT NULL,
    symbol VARCHAR NOT NULL,
    date   DATE NOT NULL
);

-- Stored bars that a check warns of; a key that arrives again is judged again.
CREATE TABLE warned_bars (
    freq   VARCHAR NOT NULL,
    rule   VARCHAR NOT NULL,
    symbol VARCHAR NOT NULL,
    date   DATE NOT NULL,
    time   TIMESTAMP NOT NULL
);
