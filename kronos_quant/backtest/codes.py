"""What the numbers in the kernel's arrays stand for."""

from __future__ import annotations

TRADABLE, NO_BAR, LIMIT_UP, LIMIT_DOWN = 0, 1, 2, 3
"""Market states of a symbol in a session; the last three are also reasons."""

BELOW_LOT, NO_CASH, COST_ABOVE_VALUE, DELISTED, VOLUME, BOUGHT_TODAY, RESERVED = range(4, 11)
"""The other reasons of an order's end; RESERVED: there was cash, but it is kept back."""

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
    BOUGHT_TODAY: "bought today",
    RESERVED: "cash buffer",
}

UNTOUCHED = 0
STOP_LOSS, TAKE_PROFIT, STAY_OUT, MAX_WEIGHT, MAX_GROUP, EXPOSURE, VOLATILITY, TURNOVER, CASH_BUFFER, DRAWDOWN = range(
    1, 11
)
"""Rules of the section `risk` that made or cut an order."""

RISKS = {
    UNTOUCHED: "",
    STOP_LOSS: "stop-loss",
    TAKE_PROFIT: "take-profit",
    STAY_OUT: "stays out after a stop",
    MAX_WEIGHT: "maximum weight",
    MAX_GROUP: "group cap",
    EXPOSURE: "exposure cap",
    VOLATILITY: "volatility target",
    TURNOVER: "turnover cap",
    CASH_BUFFER: "cash buffer",
    DRAWDOWN: "drawdown halt",
}

FILLED, PARTIAL, REJECTED = 0, 1, 2
STATUSES = {FILLED: "filled", PARTIAL: "partial", REJECTED: "rejected"}

BUY, SELL = 1, -1
SIDES = {BUY: "buy", SELL: "sell"}

ROW, SYMBOL, SIDE, WANTED, SHARES, PRICE, COST, STATUS, REASON, LEVY, SLIPPAGE, IMPACT, RISK = range(13)
"""Columns of an order's row. ROW is the panel's; WANTED is what the strategy ordered, before any rule of the risk
section; WANTED and PRICE are NaN where no price is known; LEVY is the levied part of COST; SLIPPAGE and IMPACT are what
PRICE cost versus the quoted price, in money; RISK is the risk rule that made or cut the order."""

COLUMNS = 13
"""Of an order's row."""
