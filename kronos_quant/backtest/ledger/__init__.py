"""The slow witness: the exchange's rules in plain Python, one symbol and one order at a time.

Written from the rules, not from the kernels: dictionaries of holdings, sorted lists. `kq parity` and the tests compare
the kernels with it.
"""

from __future__ import annotations

from kronos_quant.backtest.ledger.accounts import Accounts
from kronos_quant.backtest.ledger.dropout import simulate_slowly
from kronos_quant.backtest.ledger.targets import simulate_targets_slowly

__all__ = ["Accounts", "simulate_slowly", "simulate_targets_slowly"]
