"""How much faster than Qlib's own back-test, with equal results?  `python benchmarks/backtest.py [--symbols 300]`

A synthetic market with suspensions, limits, late listings and delistings as a Qlib directory, a random signal, topk 50:
canonical pyqlib, the compiled loop of the profile qlib (orders, fills, daily account), the same with the account that
vectorbt's portfolio has (what every back-test does), and with that portfolio by symbol, its records and returns, in one
warm process; then a thousand configurations as `kq sweep` runs them. Prints whether the accounts are equal, and the
ratios. With --large the profile exchange on 5,000 symbols x 3,500 sessions instead, with its peak memory.
"""

import argparse
import logging
import os
import resource
import tempfile
import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from kronos_quant.backtest import Panel, Strategy, rules_of
from kronos_quant.backtest.engine import run_kernel
from kronos_quant.backtest.qlib.market import facts_of_directory
from kronos_quant.backtest.qlib.oracle import run_pyqlib
from kronos_quant.backtest.sweep import make_trials, run_trials
from kronos_quant.backtest.vectorbt_check import vectorbt_account, vectorbt_portfolio
from kronos_quant.panel.matrix import forward_fill

REPEATS = 5


def made_panel(symbols: int, sessions: int, seed: int) -> Panel:
    """Adjusted random walks by cents, with suspensions, limit moves, late listings and delistings."""
    rng = np.random.default_rng(seed)
    shape = (sessions, symbols)
    moves = np.clip(rng.normal(0, 0.02, shape) + rng.normal(0, 0.01, (sessions, 1)), -0.1, 0.1)
    close = np.round(rng.uniform(5, 60, symbols) * np.exp(np.cumsum(moves, axis=0)), 2) + 0.01
    opened = np.round(close * np.exp(rng.normal(0, 0.005, shape)), 2) + 0.01
    absent = rng.random(shape) < 0.01
    for i in range(symbols // 8):
        absent[: int(rng.integers(1, sessions // 2)), i] = True
        if i % 3 == 0:
            absent[int(rng.integers(sessions // 2 + 1, sessions - 5)) :, symbols - 1 - i] = True
    score = rng.normal(size=shape)
    close, opened = (values.astype(np.float32).astype(np.float64) for values in (close, opened))
    for values in (close, opened, score):
        values[absent] = np.nan
    last = sessions - 1 - np.argmax(~absent[::-1], axis=0)
    return Panel(
        dates=tuple(date(2010, 1, 1) + timedelta(days=t) for t in range(sessions)),
        symbols=tuple(f"SH6{i:05d}" for i in range(symbols)),
        open=opened, high=close, low=close, close=close,
        volume=np.where(absent, np.nan, 1e6), factor=np.where(absent, np.nan, 1.0),
        score=score, gone=(last + 1).astype(np.int64),
    )  # fmt: skip


def write_directory(panel: Panel, root: Path) -> None:
    """The panel as a Qlib directory, with a session after the last one."""
    (root / "calendars").mkdir(parents=True)
    days = [*panel.dates, panel.dates[-1] + timedelta(days=1)]
    (root / "calendars" / "day.txt").write_text("".join(f"{day}\n" for day in days))
    (root / "instruments").mkdir()
    last = forward_fill(panel.close)
    change = np.full(last.shape, np.nan)
    change[1:] = last[1:] / last[:-1] - 1
    change[np.isnan(panel.close)] = np.nan
    lines = []
    for n, symbol in enumerate(panel.symbols):
        rows = np.flatnonzero(~np.isnan(panel.close[:, n]))
        first, end = int(rows[0]), int(rows[-1]) + 1
        lines.append(f"{symbol}\t{panel.dates[first]}\t{panel.dates[end - 1]}\n")
        folder = root / "features" / symbol.lower()
        folder.mkdir(parents=True)
        fields = {"open": panel.open, "close": panel.close, "volume": panel.volume, "factor": panel.factor}
        for name, values in (fields | {"change": change}).items():
            np.r_[first, values[first:end, n]].astype("<f4").tofile(folder / f"{name}.day.bin")
    (root / "instruments" / "all.txt").write_text("".join(lines))


def best_of(run, repeats: int = REPEATS) -> float:
    """Seconds of the fastest of some runs."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def against_qlib(symbols: int, sessions: int) -> None:
    """Qlib and both of ours on one market."""
    panel = made_panel(symbols, sessions, seed=1)
    strategy = Strategy.model_validate({"profile": "qlib", "topk": 50, "n_drop": 5, "hold_thresh": 5})
    t, n = np.nonzero(~np.isnan(panel.score))
    days, names = pl.Series(panel.dates, dtype=pl.Date), pl.Series(panel.symbols)
    scores = pl.DataFrame({"date": days.gather(t), "symbol": names.gather(n), "score": panel.score[t, n]})
    with tempfile.TemporaryDirectory() as folder:
        write_directory(panel, Path(folder) / "qlib")
        facts = facts_of_directory(panel, Path(folder) / "qlib")
        theirs = run_pyqlib(Path(folder) / "qlib", scores, panel.dates[1], panel.dates[-1], strategy, facts.unit)
    ledger = run_kernel(strategy, panel, None, facts)
    rules = rules_of(strategy, panel)
    exchange = strategy.model_copy(update={"profile": "exchange"})
    run_kernel(exchange, panel, rules)
    vectorbt_account(ledger)
    difference = np.max(np.abs(ledger.account[1:] / theirs.account - 1))
    alone = best_of(lambda: run_kernel(strategy, panel, None, facts))
    real = best_of(lambda: run_kernel(exchange, panel, rules))

    def with_portfolio() -> None:
        vectorbt_account(run_kernel(strategy, panel, None, facts))

    def with_users_portfolio() -> None:
        portfolio = vectorbt_portfolio(run_kernel(strategy, panel, None, facts), panel)
        assert len(portfolio.orders.records) == len(ledger.fills)
        portfolio.returns()

    both, by_symbol = best_of(with_portfolio), best_of(with_users_portfolio)
    fills = len(ledger.fills)
    print(f"{symbols} symbols x {sessions - 1} sessions, topk 50, {fills:,} fills; accounts within {difference:.1e}")
    print(f"pyqlib, its back-test alone      {theirs.seconds:8.2f} s")
    print(f"kernel, profile qlib             {alone * 1e3:8.2f} ms   {theirs.seconds / alone:7.0f} times")
    print(f"kernel, profile exchange         {real * 1e3:8.2f} ms   {theirs.seconds / real:7.0f} times")
    print(f"kernel and vectorbt's account    {both * 1e3:8.2f} ms   {theirs.seconds / both:7.0f} times")
    print(f"kernel and vectorbt's portfolio  {by_symbol * 1e3:8.2f} ms   {theirs.seconds / by_symbol:7.0f} times")
    ten = list(range(1, 11))
    trials, _ = make_trials(exchange, {"topk": [10 * i + 10 for i in ten], "n_drop": ten, "hold_thresh": ten})
    threads = len(os.sched_getaffinity(0))
    started = time.perf_counter()
    for _ in run_trials(trials, panel, lambda other: rules_of(other, panel), None, None, threads):
        pass
    seconds = time.perf_counter() - started
    print(
        f"{len(trials):,} configurations, {threads} cores {seconds:8.1f} s   {seconds / theirs.seconds:7.2f} Qlib runs"
    )


def large(symbols: int = 5_000, sessions: int = 3_500) -> None:
    """The profile exchange at scale."""
    panel = made_panel(symbols, sessions, seed=2)
    strategy = Strategy.model_validate({"topk": 50, "n_drop": 5, "hold_thresh": 5})
    rules = rules_of(strategy, panel)
    run_kernel(strategy, replace_head(panel), rules_of(strategy, replace_head(panel)))  # loads what is compiled
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    ledger = run_kernel(strategy, panel, rules)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{symbols} symbols x {sessions} sessions: {seconds:.1f} s, {len(ledger.fills):,} fills, "
          f"peak {peak / 2**20:.1f} GB (panel and rules alone {before / 2**20:.1f} GB)")  # fmt: skip


def replace_head(panel: Panel) -> Panel:
    """The first sessions of a panel."""
    names = ("open", "high", "low", "close", "volume", "factor", "score")
    return replace(panel, dates=panel.dates[:9], **{name: getattr(panel, name)[:9] for name in names})


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--symbols", type=int, default=300)
parser.add_argument("--sessions", type=int, default=750)
parser.add_argument("--large", action="store_true")
arguments = parser.parse_args()
logging.disable(logging.INFO)
if arguments.large:
    large()
else:
    against_qlib(arguments.symbols, arguments.sessions + 1)
