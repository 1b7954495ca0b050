"""The `kq` command: parse, call, print."""
