"""`kq forecast`: the next bars of one symbol, with their uncertainty and a naive band beside.

Shapes: S paths, H bars.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from kronos_quant import schema
from kronos_quant.errors import DataError
from kronos_quant.jobs.signals import open_source, workspace_market
from kronos_quant.model import Forecaster
from kronos_quant.report import forecast_png
from kronos_quant.runs import Inputs, staged_run
from kronos_quant.signals.scorer import CLOSE, sample_closes
from kronos_quant.windows import bar_table, build_index, gather, stamps
from kronos_quant.workspace import Workspace

LEAST_SAMPLES = 200
"""One symbol is cheap: this many paths at least, so that the outer quantiles mean something."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SHOWN_BARS = 60


@dataclass(frozen=True, slots=True)
class SymbolForecast:
    """Quantiles of the close of the next bars, the naive band beside, and the picture."""

    symbol: str
    asof: str
    table: pl.DataFrame
    """time, estimated, q05 … q95, p_rise, naive_q05, naive_q95; prices as quoted at the last bar."""
    picture: Path
    last_close: float

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "symbol": self.symbol,
            "asof": self.asof,
            "last_close": self.last_close,
            "bars": self.table.to_dicts(),
            "picture": self.picture,
        }

    def lines(self) -> list[str]:
        """The outcome in words, with the model's width beside the naive one."""
        last = self.table.row(-1, named=True)
        width, naive = last["q95"] - last["q05"], last["naive_q95"] - last["naive_q05"]
        told = [
            f"{self.symbol} after {self.asof}: last close {self.last_close:.6g}, median {last['q50']:.6g} at the end",
            f"90 % interval at the end: {width:.4g} wide; a random walk with this history's volatility: {naive:.4g}",
            f"picture: {self.picture}",
        ]
        if self.table["estimated"].any():
            told.insert(2, "some time stamps are estimated: weekdays stand in for sessions not yet known")
        return told


def run_forecast(
    workspace: Workspace, symbol: str, on: date | None, horizon: int | None, recipe_name: str, device: str
) -> SymbolForecast:
    """Forecast the bars after session `on` (None: after the newest bar); leaves a run with table and picture."""
    market = workspace_market(workspace)
    name = market.resolve(symbol)
    bars = market.bars([name], end=market.check_session(on) if on else None)
    source = open_source(workspace, recipe_name, market)
    recipe = source.recipe
    if bars.height < recipe.lookback:
        raise DataError(f"{name}: {recipe.lookback} bars are needed up to {on or 'the newest'}, found {bars.height}")
    sessions = market.sessions()
    table = bar_table(bars, sessions)
    index = build_index(table, recipe.lookback, 0, max_missing=len(sessions))
    asof = bars["time"][-1]
    steps = horizon or recipe.horizon
    future = market.next_times(asof, steps)
    windows = gather(table, index, np.array([len(index) - 1]), recipe.clip)
    pair = source.weights.pair
    settings = recipe.recipe.model_copy(update={"samples": max(recipe.recipe.samples, LEAST_SAMPLES)})
    forecaster = Forecaster(pair.tokenizer, pair.predictor, recipe.max_context, recipe.clip, device)
    adjusted = table.values[-recipe.lookback :, CLOSE].astype(np.float64)
    sampled, base = sample_closes(forecaster, settings, windows, stamps(future.times)[None], adjusted[-1:])
    factor = float(table.factor[-1])
    quoted = bars.with_columns((pl.col(schema.PRICES) / factor).cast(pl.Float32))
    history = adjusted / factor
    # the sampled returns, from the last close on: the tokenizer's error would show as a jump at the first bar
    close = history[-1] * sampled[0] / base
    quantiles = np.quantile(close, QUANTILES, axis=0)
    naive = random_walk_band(history, steps, QUANTILES)
    frame = _table(future.times, future.estimated, close, quantiles, naive, history[-1])
    inputs = Inputs(market.snapshot.digest, source.weights.digest, {"sampling": settings.seed})
    with staged_run(workspace.runs, "forecast", inputs) as run:
        run.write_config({"recipe": settings})
        frame.write_parquet(run.folder / "forecast.parquet")
        forecast_png(
            run.folder / "forecast.png",
            history=quoted.tail(SHOWN_BARS),
            times=future.times,
            levels=QUANTILES,
            quantiles=quantiles,
            naive=naive,
            title=f"{name}: the next {steps} bars after {asof:%Y-%m-%d %H:%M}",
        )
        run.write_metrics({"symbol": name, "asof": asof, "horizon": steps, "samples": settings.samples})
    return SymbolForecast(name, f"{asof}", frame, run.path / "forecast.png", float(history[-1]))


def random_walk_band(history: NDArray[np.float64], steps: int, levels: tuple[float, ...]) -> NDArray[np.float64]:
    """Quantiles float64[len(levels), H] of a driftless random walk with the history's volatility of log returns."""
    volatility = float(np.diff(np.log(history)).std(ddof=1))
    spread = volatility * np.sqrt(np.arange(1, steps + 1))
    band: NDArray[np.float64] = history[-1] * np.exp(np.outer(stats.norm.ppf(levels), spread))
    return band


def _table(
    times: Sequence[datetime],
    estimated: list[bool],
    close: NDArray[np.float64],
    quantiles: NDArray[np.float64],
    naive: NDArray[np.float64],
    last: float,
) -> pl.DataFrame:
    named = {f"q{round(level * 100):02d}": row for level, row in zip(QUANTILES, quantiles, strict=True)}
    return pl.DataFrame(
        {
            "time": times,
            "estimated": estimated,
            **named,
            "p_rise": (close > last).mean(axis=0),
            "naive_q05": naive[0],
            "naive_q95": naive[-1],
        }
    )
