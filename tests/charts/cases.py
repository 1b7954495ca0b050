"""One figure of every chart, from made arrays, for what all charts have in common."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import polars as pl
from made import make_bars, weekdays

from kronos_quant import charts
from kronos_quant.charts import NARROW, WIDE, AccountCurves, Chart, Fan
from kronos_quant.stats.intervals import MeanInterval

T, H = 200, 5
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
DATES = [date(2024, 1, 1) + timedelta(days=i) for i in range(T)]
RNG = np.random.default_rng(0)
RETURNS = RNG.normal(0.001, 0.01, T)
CURVES = AccountCurves(DATES, RETURNS, RETURNS + 0.0002, RNG.normal(0, 0.01, T), "SPX")
TRIALS = pl.DataFrame(
    {
        "topk": [1, 1, 2, 2, 2],
        "n_drop": [1, 1, 1, 3, 3],
        **{one.name: [1.0, 3.0, 5.0, 7.0, None] for one in charts.MAPPED},
        "sessions_per_year": 243.0,
    }
)
LOSSES = [
    {"phase": phase, "split": split, "epoch": step, "step": step, "loss": loss}
    for phase in ("tokenizer", "predictor")
    for split, step, loss in [("val", 0, 3.0), ("train", 1, 2.5), ("val", 1, 2.0), ("val", 2, 2.2)]
]


def mean(value: float, half: float = 0.01) -> MeanInterval:
    """A mean with its interval; half NaN: too few dates for one."""
    return MeanInterval(value, half / 2, value - half, value + half, 60, 12, 0.1)


FEW = mean(0.3, float("nan"))


def make_fan(count: int = 20, spread: float = 1.0, **fields) -> Fan:
    bars = make_bars(["AAA"], weekdays(count))
    last = float(bars["close"][-1])
    steps = np.sqrt(np.arange(1, H + 1))
    quantiles = last + spread * np.outer([-2, -1, 0, 1, 2], steps)
    naive = last + spread * np.outer([-3, -1, 0, 1, 3], steps)
    times = [bars["time"][-1] + timedelta(days=i) for i in range(1, H + 1)]
    return Fan(bars, times, LEVELS, quantiles, naive, **fields)


FORECASTS = np.linspace(0.05, 0.95, 10)
CHARTS: dict[str, Callable[[float], Chart]] = {
    "performance": lambda width: charts.performance_figure(CURVES, width=width),
    "rolling": lambda width: charts.rolling_figure(
        DATES, {"Sharpe ratio": RETURNS[20:] * 100, "volatility": np.abs(RETURNS[20:])}, 21, ["volatility"], width
    ),
    "distribution": lambda width: charts.distribution_figure(RETURNS, width),
    "comparison": lambda width: charts.comparison_figure(
        DATES, [("a", np.arange(T), RETURNS), ("b", np.arange(T), -RETURNS)], shared=True, width=width
    ),
    "forecast": lambda width: charts.forecast_figure(make_fan(), width=width),
    "bars": lambda width: charts.bars_figure(make_fan().history, [5, 5.5]),
    "rank_ic": lambda width: charts.rank_ic_figure(DATES, RNG.normal(0, 0.1, T), mean(0.03), width=width),
    "interval": lambda width: charts.interval_figure([("signal", mean(0.03)), ("few", FEW)], width=width),
    "decay": lambda width: charts.decay_figure({1: mean(0.03), 5: mean(0.02), 20: FEW}, 5),
    "quintiles": lambda width: charts.quintile_figure([mean(i / 1000, 0.0007) for i in range(-2, 3)], "5 sessions"),
    "coverage": lambda width: charts.coverage_figure({"signal": {0.5: mean(0.41), 0.9: mean(0.79)}}),
    "coverage_by_bar": lambda width: charts.coverage_by_bar_figure({"signal": [0.5, 0.7, 0.9]}),
    "pit": lambda width: charts.pit_figure(np.array([0.1, 0.4, 0.4, 0.1]), np.array([0.0, 0.05, 0.5, 0.95, 1.0])),
    "reliability": lambda width: charts.reliability_figure(FORECASTS, FORECASTS / 2, np.arange(10.0)),
    "scores": lambda width: charts.scores_figure(DATES, np.full(T, 30.0), np.outer(np.arange(5), np.ones(T)), width),
    "losses": lambda width: charts.loss_figure(LOSSES),
    "heatmap": lambda width: charts.heatmap_figure(TRIALS, "topk", "n_drop", width=width),
}
WIDTHS = (WIDE, NARROW)
