"""The rules that bars must keep: SQL files that select the offending rows, run at an ingest and by `kq check`."""
