"""Rules for bars: SQL files that select the offending rows, run by every ingest and by `kq check`."""
