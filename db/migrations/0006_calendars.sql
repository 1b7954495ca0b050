-- Sessions that a source publishes in advance (a Qlib directory with calendars/day_future.txt), or that a user has given
-- (kq ingest calendar): they say which days are sessions from the first to the last of them.

CREATE TABLE calendar_sessions (
    origin   VARCHAR NOT NULL,    -- user, or source
    exchange VARCHAR NOT NULL,    -- ISO code; '' where unknown: they are then of every exchange
    date     DATE NOT NULL
);
