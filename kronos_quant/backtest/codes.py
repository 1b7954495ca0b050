"""What the numbers in the kernel's arrays stand for."""

from __future__ import annotations

TRADABLE, NO_BAR, LIMIT_UP, LIMIT_DOWN = 0, 1, 2, 3
"""Market states of a symbol in a session; the last three are also reasons."""

BELOW_LOT, NO_CASH, COST_ABOVE_VALUE, DELISTED, VOLUME, BOUGHT_TODAY, RESERVED = range(4, 11)
"""The other reasons of an order's end; RESERVED: there was cash, but it is kept back."""

UNLISTED = 11
"""The reason of a sale that new shares of a dividend wait with until they are listed."""

BOTH_LIMITS = 15
"""A market state of the profile `qlib` alone, where expressions say what may be traded; also a reason."""

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
    UNLISTED: "new shares not listed",
    BOTH_LIMITS: "both limits",
}

MEANINGS = {
    NO_BAR: "the symbol has no bar at the fill: it is suspended",
    LIMIT_UP: "a purchase at the upper price limit: there are no sellers (`profile: qlib` blocks sales too)",
    LIMIT_DOWN: "a sale at the lower price limit: there are no buyers (`profile: qlib` blocks purchases too)",
    BELOW_LOT: "the wanted value is less than the smallest order of the board",
    NO_CASH: "the cash pays for fewer shares than wanted, or for none",
    COST_ABOVE_VALUE: "a sale whose commission and levies exceed its proceeds",
    DELISTED: "the listing of a holding is over: it leaves at its last close and `delisting_return`, without cost",
    VOLUME: "`liquidity.participation` (or `qlib.volume_threshold`) let fewer shares through than wanted, or none",
    BOUGHT_TODAY: "T+1: shares bought in this session cannot be sold in it",
    RESERVED: "there is cash, but `risk.cash_buffer` keeps it back",
    UNLISTED: "bonus or transferred shares cannot be sold before their listing date",
    BOTH_LIMITS: "the expressions of `price_limit` forbid to buy and to sell (`profile: qlib`)",
}
"""What each of REASONS means to the owner of the order."""

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

RISK_MEANINGS = {
    STOP_LOSS: "sold: the close was `risk.stop_loss` or more below the mean entry price",
    TAKE_PROFIT: "sold: the close was `risk.take_profit` or more above the mean entry price",
    STAY_OUT: "not bought: a stop sold the symbol fewer than `risk.stay_out` sessions ago",
    MAX_WEIGHT: "cut to `risk.max_weight` of the account",
    MAX_GROUP: "cut so that its group stays within `risk.max_group` of the account",
    EXPOSURE: "cut so that the portfolio stays within `risk.max_gross` and `risk.max_net`",
    VOLATILITY: "cut so that the portfolio's trailing volatility stays within `risk.volatility_target`",
    TURNOVER: "cut or omitted so that the session stays within `risk.max_turnover`",
    CASH_BUFFER: "cut so that `risk.cash_buffer` of the account stays in cash",
    DRAWDOWN: "sold, or not bought: the account fell by `risk.drawdown_halt` from its high-water mark",
}
"""What each of RISKS did to an order."""

FILLED, PARTIAL, REJECTED = 0, 1, 2
STATUSES = {FILLED: "filled", PARTIAL: "partial", REJECTED: "rejected"}

BUY, SELL = 1, -1
SIDES = {BUY: "buy", SELL: "sell"}

ROW, SYMBOL, SIDE, WANTED, SHARES, PRICE, COST, STATUS, REASON, LEVY, SLIPPAGE, IMPACT, RISK, TAX = range(14)
"""Columns of an order's row. ROW is the panel's; WANTED is what the strategy ordered, before any rule of the risk
section; WANTED and PRICE are NaN where no price is known; LEVY is the levied part of COST; SLIPPAGE and IMPACT are what
PRICE cost versus the quoted price, in money; RISK is the risk rule that made or cut the order; TAX
is what the sale owes for dividends, beside COST."""

COLUMNS = 14
"""Of an order's row."""
