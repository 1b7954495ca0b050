"""Trading rules by exchange, board and date: price limits, lots, taxes and fees.

Facts only: `board_of`, `trading_rules` and `levies` look one up, `rules_panel` many at once; the checks read the same
tables as SQL.
"""

from __future__ import annotations

from kronos_quant.market.exchanges.boards import (
    BOARDS,
    Board,
    Limit,
    Start,
    TradingRules,
    board_of,
    board_on,
    in_force,
    trading_rules,
)
from kronos_quant.market.exchanges.levies import (
    BROKERAGE,
    CRYPTO,
    HONG_KONG,
    LEVIES,
    UNKNOWN,
    US,
    Brokerage,
    Levy,
    brokerage,
    levies,
)
from kronos_quant.market.exchanges.panel import Facts, RulesPanel, levied_as, rules_panel

__all__ = [
    "BOARDS",
    "BROKERAGE",
    "CRYPTO",
    "HONG_KONG",
    "LEVIES",
    "UNKNOWN",
    "US",
    "Board",
    "Brokerage",
    "Facts",
    "Levy",
    "Limit",
    "RulesPanel",
    "Start",
    "TradingRules",
    "board_of",
    "board_on",
    "brokerage",
    "in_force",
    "levied_as",
    "levies",
    "rules_panel",
    "trading_rules",
]
