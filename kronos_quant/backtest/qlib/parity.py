"""How far engine, reference ledger and Qlib are apart, and what each rule of the exchange is worth.

Two comparisons must agree: the profile qlib with canonical pyqlib, the profile exchange with the plain ledger. The
third is a ladder from Qlib's rules to the exchange's, one more at each step, in basis points of the final account.
Shape letters: T sessions, N symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest.accounts import Ledger, order_table
from kronos_quant.backtest.engine import exchange_market, qlib_market, run_kernel, trade_qlib
from kronos_quant.backtest.inputs import BacktestInputs, bars_of_source, source_directory, stored_bars
from kronos_quant.backtest.ledger import simulate_slowly
from kronos_quant.backtest.listings import market_listings
from kronos_quant.backtest.panel import NO_DELISTINGS, Panel, build_panel
from kronos_quant.backtest.qlib.directory import for_pyqlib
from kronos_quant.backtest.qlib.market import QlibFacts, facts_of_directory, qlib_costs, qlib_unit
from kronos_quant.backtest.qlib.oracle import run_pyqlib
from kronos_quant.backtest.rules import Rules
from kronos_quant.backtest.settings import Risk, no_liquidity
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.display import Displayed, summary_table
from kronos_quant.errors import counted
from kronos_quant.market import export_bars
from kronos_quant.workspace import WorkspaceFolder

if TYPE_CHECKING:
    import pandas as pd

QLIB_TOLERANCE = 1e-6
"""Largest relative difference of daily account values between the profile qlib and canonical pyqlib."""

LEDGER_TOLERANCE = 1e-9
"""The same between the kernel and the plain ledger."""

QLIB, LEDGER = "profile qlib and pyqlib", "profile exchange and reference ledger"
"""What is compared."""

ORDER = ["date", "symbol", "side"]


@dataclass(frozen=True, slots=True)
class ParityCheck:
    """Two accounts of one set of rules.

    difference : largest relative difference of the daily account values; same_orders : whether date, symbol and side of
    every fill agree in their order; orders : how many there are
    """

    name: str
    difference: float
    tolerance: float
    same_orders: bool
    orders: int

    @property
    def holds(self) -> bool:
        """Whether the two are the same."""
        return self.same_orders and self.difference <= self.tolerance


@dataclass(frozen=True, slots=True)
class RuleStep:
    """One more rule: the final account with it, and its effect in basis points of the account before it."""

    rule: str
    account: float
    basis_points: float


@dataclass(frozen=True, slots=True)
class ParityResult:
    """The two checks, and the ladder of rules."""

    qlib: ParityCheck
    ledger: ParityCheck
    steps: tuple[RuleStep, ...]

    @property
    def holds(self) -> bool:
        """Whether both agree."""
        return self.qlib.holds and self.ledger.holds


STABLE = "pyqlib runs with holdings sorted by symbol and stable ties: plain Qlib's trades depend on PYTHONHASHSEED"


@dataclass(frozen=True, slots=True, repr=False)
class ParityReport(Displayed):
    """What was compared, on which Qlib directory, and the result."""

    found: ParityResult
    directory: str
    period: str
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """Verdict and period."""
        return f"Parity {'holds' if self.found.holds else 'DOES NOT HOLD'}, {self.period}"

    def summary(self) -> pl.DataFrame:
        """The final account under each rule, and what each is worth in basis points."""
        rows = [(step.rule, f"{step.account:,.2f} ({step.basis_points:+.1f} bps)") for step in self.found.steps]
        total = ("total", f"{self.found.steps[-1].account:,.2f} ({self.basis_points:+.1f} bps)")
        checks = [(check.name, _check_text(check)) for check in (self.found.qlib, self.found.ledger)]
        return summary_table([*checks, *rows, total], [STABLE, *self.notes])

    def to_pandas(self) -> pd.DataFrame:
        """A row per rule: rule, account, basis_points."""
        return pl.DataFrame([asdict(step) for step in self.found.steps]).to_pandas()

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self) | {"holds": self.found.holds, "basis_points": self.basis_points}

    def lines(self) -> list[str]:
        """The outcome in words."""
        return [
            f"{self.period}, Qlib directory: {self.directory}",
            STABLE,
            *(f"note: {note}" for note in self.notes),
            "",
            *(_check_line(check) for check in (self.found.qlib, self.found.ledger)),
            "",
            f"{'rules of Qlib, replaced one by one':<74}{'account':>18}{'bps':>10}",
            *(_step_line(step.rule, step.account, step.basis_points) for step in self.found.steps),
            _step_line("total", self.found.steps[-1].account, self.basis_points),
        ]

    @property
    def basis_points(self) -> float:
        """The account under the exchange's rules versus Qlib's; NaN where that lost everything."""
        first, last = self.found.steps[0].account, self.found.steps[-1].account
        return (last / first - 1) * 1e4 if first > 0 else float("nan")


def _step_line(rule: str, account: float, basis_points: float) -> str:
    return f"{rule:<74}{account:>18,.2f}{basis_points:>10.1f}"


def _check_line(check: ParityCheck) -> str:
    return f"{check.name + ':':<40}{_check_text(check)}"


def _check_text(check: ParityCheck) -> str:
    verdict = "equal" if check.holds else "NOT EQUAL"
    fills = f"the same {counted(check.orders, 'fill')}" if check.same_orders else "different fills"
    return (
        f"{verdict}, {fills}; daily accounts differ by at most {check.difference:.1e} "
        f"(tolerance {check.tolerance:.0e}, relative)"
    )


def compare_profiles(
    strategy: Strategy, panel: Panel, rules: Rules, facts: QlibFacts, scores: pl.DataFrame, directory: Path
) -> ParityResult:
    """Compare `strategy` in both profiles with its references, and go from one profile to the other rule by rule.

    panel : with unpriced symbols kept; scores : date, symbol, score, those of the panel; directory : the Qlib directory
    of the same bars, whose calendar goes on after the panel's last session
    """
    as_qlib = strategy.model_copy(update={"profile": "qlib"})
    # expressions are limits of Qlib's alone
    limit = "exchange" if strategy.limit_expressions else strategy.price_limit
    as_exchange = strategy.model_copy(update={"profile": "exchange", "price_limit": limit})
    mine = run_kernel(as_qlib, panel, rules, facts)
    with for_pyqlib(directory, facts.percent) as place:
        theirs = run_pyqlib(place, scores, panel.dates[1], panel.dates[-1], as_qlib, qlib_unit(as_qlib, facts))
    real = run_kernel(as_exchange, panel, rules)
    slow = simulate_slowly(as_exchange, panel, rules)
    written = [tuple(order[name] for name in ORDER) for order in slow.orders if order["status"] != "rejected"]
    return ParityResult(
        check_of(QLIB, QLIB_TOLERANCE, mine, panel, theirs.account, theirs.fills.select(ORDER).rows()),
        check_of(LEDGER, LEDGER_TOLERANCE, real, panel, np.array(slow.accounts), written),
        ladder(as_exchange, panel, rules, facts, mine, real),
    )


def check_of(
    name: str, tolerance: float, ours: Ledger, panel: Panel, account: FloatArray, fills: list[tuple[Any, ...]]
) -> ParityCheck:
    """A kernel's ledger against the account f64[S] and the fills (ORDER) of another engine."""
    orders = order_table(ours.orders, ours.factor, panel)
    own = orders.filter(pl.col("status") != "rejected").select(ORDER).rows()
    return ParityCheck(name, relative(ours.account[1:], account), tolerance, own == fills, len(own))


def relative(one: FloatArray, other: FloatArray) -> float:
    """Largest relative difference of two accounts; infinite where they have other lengths."""
    if len(one) != len(other):
        return float("inf")
    return float(np.max(np.abs(one - other) / np.maximum(np.abs(other), 1.0), initial=0.0))


def ladder(
    strategy: Strategy, panel: Panel, rules: Rules, facts: QlibFacts, mine: Ledger, real: Ledger
) -> tuple[RuleStep, ...]:
    """From Qlib's rules to the exchange's, one more at each step."""
    flat, unit = flat_costs(strategy, rules), qlib_unit(strategy, facts)
    N = len(panel.symbols)
    units = replace(flat, lot=np.full(N, unit, dtype=np.int64), step=np.full(N, max(unit, 1), dtype=np.int64))
    whole = strategy
    stay = replace(panel, delisted=NO_DELISTINGS)
    nothing = {"risk": Risk.model_validate({}), "liquidity": no_liquidity()}
    strategy = strategy.model_copy(update=nothing)
    every = strategy.model_copy(update={"only_tradable": False})
    accounts = [
        ("Qlib's rules", mine.account[-1]),
        ("price limits by board and date, at the fill price, for each side", limited(strategy, panel, rules, facts)),
        ("buys follow executed sales, a blocked one passes to the next symbol", last_account(every, stay, units)),
        ("delisted holdings are sold", last_account(every, panel, units)),
        ("no orders of symbols suspended in the session before", last_account(strategy, panel, units)),
        ("board lots", last_account(strategy, panel, flat)),
        ("commission and dated levies", last_account(strategy, panel, rules)),
    ]
    if whole.liquidity != strategy.liquidity:
        without = whole.model_copy(update={"risk": strategy.risk})
        accounts.append(("slippage, market impact and participation", last_account(without, panel, rules)))
    if whole.risk.active:
        accounts.append(("risk rules", real.account[-1]))
    steps, before = [], accounts[0][1]
    for rule, account in accounts:
        change = (account / before - 1) * 1e4 if before > 0 else float("nan")
        steps.append(RuleStep(rule, float(account), float(change)))
        before = account
    return tuple(steps)


def last_account(strategy: Strategy, panel: Panel, rules: Rules) -> float:
    """The final account under the exchange's order of events."""
    return float(run_kernel(strategy, panel, rules).account[-1])


def limited(strategy: Strategy, panel: Panel, rules: Rules, facts: QlibFacts) -> float:
    """The final account of Qlib's rules with the exchange's limits."""
    one_side = strategy.qlib.model_copy(update={"forbid_all_trade_at_limit": False})
    as_qlib = strategy.model_copy(update={"profile": "qlib", "qlib": one_side})
    market = qlib_market(as_qlib, panel, facts, exchange_market(strategy, panel, rules).state)
    return float(trade_qlib(as_qlib, market, facts).account[-1])


def flat_costs(strategy: Strategy, rules: Rules) -> Rules:
    """The rules with Qlib's costs instead of commission and levies."""
    buy, sell, minimum = qlib_costs(strategy)
    none = np.zeros_like(rules.buy_levy)
    return replace(
        rules,
        buy=np.full_like(rules.buy, buy),
        sell=np.full_like(rules.sell, sell),
        minimum=np.full_like(rules.minimum, minimum),
        buy_levy=none,
        sell_levy=none,
        per_share=np.zeros_like(rules.per_share),
        most=np.zeros_like(rules.most),
        unit=np.zeros_like(rules.unit),
    )


def directory_for(
    workspace: WorkspaceFolder, inputs: BacktestInputs, scores: pl.DataFrame, sessions: Sequence[date], made: Path
) -> tuple[Path, Panel, QlibFacts]:
    """The directory that pyqlib reads, the panel of the same bars, and what it holds besides prices."""
    bars = stored_bars(inputs.market, sessions[0])
    whole, listings = bars_of_source(inputs.market, sessions[0]), market_listings(inputs.market, sessions[0])
    panel = build_panel(whole, scores, sessions, listings, keep_unpriced=True)
    directory, facts = source_directory(workspace, inputs.market, inputs.strategy, panel)
    if directory is not None:
        refused = len(whole.join(bars, on=["symbol", "date"], how="anti").filter(pl.col("date") <= sessions[-1]))
        note = f"Used here, as Qlib uses them, although the checks rejected them: {counted(refused, 'bar')}."
        return directory, panel, replace(facts, notes=(*facts.notes, note)) if refused else facts
    panel = build_panel(bars, scores, sessions, listings, keep_unpriced=True)
    export_bars(inputs.market, made, "qlib")
    return made, panel, facts_of_directory(panel, made, inputs.strategy)
