"""`kq forecast`: the next bars of one symbol, with a random walk for comparison."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl

from kronos_quant.charts import Fan
from kronos_quant.errors import ConfigError, DataError
from kronos_quant.inputs import DateLike, as_date
from kronos_quant.market import FutureTimes, Market, workspace_market
from kronos_quant.model import QUANTILES, Forecast, Forecaster, check_horizon
from kronos_quant.model.forecast import SHOWN_BARS, day_text
from kronos_quant.model.symbol_forecast import SymbolForecast
from kronos_quant.report.pages.forecast import forecast_png, write_forecast_page
from kronos_quant.runs import Inputs, staged_run
from kronos_quant.schema import PRICES, check_table
from kronos_quant.signals import ComputedSource, Recipe, open_computed
from kronos_quant.signals.scorer import recipe_sampling
from kronos_quant.workspace import WorkspaceFolder

LEAST_SAMPLES = 200
"""Paths of one symbol: cheap, and the outer quantiles need them."""


def run_forecast(
    workspace: WorkspaceFolder,
    symbol: str,
    *,
    horizon: int | None = None,
    date: DateLike | None = None,
    recipe: str = "default",
    device: str = "auto",
) -> SymbolForecast:
    """Forecast the next bars of one symbol with the model of a recipe, see `Workspace.forecast`.

    The settings are the recipe's, but at least LEAST_SAMPLES paths are sampled; the notes say so.
    """
    market = workspace_market(workspace)
    if not isinstance(symbol, str):
        raise ConfigError(f"symbol: expected one symbol, found {symbol!r}")
    name, asked = market.resolve(symbol), as_date(date, "date")
    on = None if asked is None else market.check_session(asked)
    known = market.select_bars([name])
    bars = known if on is None else known.filter(pl.col("date") <= on)
    source = open_computed(workspace, recipe, market)
    lookback = source.recipe.lookback
    if bars.height < lookback:
        raise DataError(
            f"{name}: {lookback} bars are needed up to {on or 'the newest'}, found {bars.height}",
            hint=f"Set lookback_window of the recipe to {bars.height} or less, or ingest more bars.",
        )
    horizon = source.recipe.horizon if horizon is None else check_horizon(horizon, source.weights.pair.max_context)
    samples = source.recipe.recipe.samples
    settings = source.recipe.recipe.model_copy(update={"samples": max(samples, LEAST_SAMPLES)})
    future = market.next_times(bars["time"][-1], horizon)
    last = None if on is None else bars["date"][-1]
    forecast = _sample(source, settings, known, future, last, device).scaled(1 / float(bars["factor"][-1]))
    notes = (*_notes(bars, market, on, samples), *forecast.notes, *forecast.repairs.lines())
    forecast = replace(forecast, notes=notes)
    quoted = bars.with_columns((pl.col(PRICES) / float(bars["factor"][-1])).cast(pl.Float32))
    closes = quoted["close"].tail(lookback).cast(pl.Float64).to_numpy()
    model = f"{source.weights.name} ({source.weights.digest[:16]})"
    inputs = Inputs(market.snapshot.digest, source.weights.digest, {"sampling": settings.seed})
    with staged_run(workspace.runs, "forecast", inputs) as run:
        found = SymbolForecast.of(forecast, closes, model, run.path)
        run.write_config({"recipe": settings})
        _write_pages(run.folder, found, quoted, [*_facts(found, lookback, market, recipe)])
        metrics = {"symbol": name, "asof": bars["time"][-1], "horizon": found.horizon, "samples": settings.samples}
        run.write_metrics(metrics | {"width": found.width, "naive_width": found.naive_width})
    return found


def _write_pages(folder: Path, found: SymbolForecast, quoted: pl.DataFrame, facts: list[str]) -> None:
    """Write the table, the picture and the page."""
    bands = found.bands()
    check_table("forecast.bars", bands)
    bands.write_parquet(folder / "forecast.parquet")
    fan = Fan(
        history=quoted.tail(SHOWN_BARS),
        times=found.times[0].tolist(),
        levels=QUANTILES,
        quantiles=found.quantiles().drop("symbol", "time", "estimated").to_numpy().T,
        naive=found.naive,
        realised=found.realised,
    )
    title = f"{found.symbol}: the next {found.horizon} bars after {day_text(found.asof[0])}"
    forecast_png(folder / "forecast.png", fan, title)
    write_forecast_page(folder / "forecast.html", fan, title, facts, found.words(), bands)


def _sample(
    source: ComputedSource, settings: Recipe, bars: pl.DataFrame, future: FutureTimes, asof: date | None, device: str
) -> Forecast:
    """The forecast as the recipe would have it scored, in adjusted prices."""
    recipe, pair = source.recipe, source.weights.pair
    forecaster = Forecaster(
        pair.tokenizer, pair.predictor, pair.max_context, recipe.clip, device, settings.dtype, settings.context
    )
    return forecaster.forecast(
        bars,
        len(future.times),
        samples=settings.samples,
        sampling=recipe_sampling(settings),
        seed=settings.seed,
        lookback=recipe.lookback,
        asof=asof,
        future=future,
        base=settings.return_base,
    )


def _notes(bars: pl.DataFrame, market: Market, on: date | None, samples: int) -> Iterator[str]:
    """What a reader has to know: the symbol is suspended or delisted, or has more paths than the recipe."""
    session, last = on or market.sessions()[-1], bars["date"][-1]
    if last < session:
        yield f"no bar since {last}; the forecast was requested for {session}"
    if samples < LEAST_SAMPLES:
        yield f"{LEAST_SAMPLES} sample paths instead of the recipe's {samples}: the outer quantiles need them"


def _facts(found: SymbolForecast, lookback: int, market: Market, recipe: str) -> Iterator[str]:
    """Model, recipe and data, for the page."""
    calendar = f"calendar of {market.exchange}" if market.exchange else "exchange unknown: recent weekdays are used"
    yield f"model {found.model}, recipe {recipe}: {found.samples} sample paths from the last {lookback} bars"
    yield (f"{market.freq} bars as of {day_text(found.asof[0])}; {calendar}; snapshot {market.snapshot.digest[:16]}")
