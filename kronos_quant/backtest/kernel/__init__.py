"""The event loops, compiled. What they share is in `arrays` and `exchange`; each rule has its own loop.

Everything is in adjusted units: the number of shares stays the same through splits, and dividends count as reinvested
at the ex-date's prices. These functions raise nothing: `engine` checks what it passes in. `backtest.ledger` says the
same in plain Python.
"""
