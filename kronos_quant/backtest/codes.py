"""What the numbers in the kernel's arrays stand for."""

from __future__ import annotations

TRADABLE, NO_BAR, LIMIT_UP, LIMIT_DOWN = 0, 1, 2, 3
"""Market states of a symbol in a session; the last three are also reasons."""

BELOW_LOT, NO_CASH, COST_ABOVE_VALUE, DELISTED, VOLUME = 4, 5, 6, 7, 8
"""The other reasons of an order's end."""

REASONS = {
    TRADABLE: "",
    NO_BAR: "no bar",
    LIMIT_UP: "limit up",
    LIMIT_DOWN: "limit down",
    BELOW_LOT: "below one lot",
    NO_CASH: "not enough cash",
    COST_ABOVE_VALUE: "cost above value",
    DELISTED: "delisted",
    VOLUME: "volume cap",
}

FILLED, PARTIAL, REJECTED = 0, 1, 2
STATUSES = {FILLED: "filled", PARTIAL: "partial", REJECTED: "rejected"}

BUY, SELL = 1, -1
SIDES = {BUY: "buy", SELL: "sell"}

SESSION, SYMBOL, SIDE, WANTED, SHARES, PRICE, COST, STATUS, REASON, LEVY, SLIPPAGE, IMPACT = range(12)
"""Columns of an order's row. WANTED and PRICE are NaN where no price is known; LEVY is the levied part of COST;
SLIPPAGE and IMPACT are what PRICE cost beside the quoted price, in money."""

COLUMNS = 12
"""Of an order's row."""
