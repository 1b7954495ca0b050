"""What a back-test reads beside bars and scores: universe, listings, groups, volumes, Qlib's facts, the benchmark."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest import Panel, Strategy
from kronos_quant.backtest.panel import groups_of
from kronos_quant.backtest.qlib.market import QlibFacts, derived_facts, facts_of_directory
from kronos_quant.errors import DataError
from kronos_quant.market import Facts, Market, canonical_column
from kronos_quant.market.quality.checks import read_rejected
from kronos_quant.workspace import WorkspaceFolder

SPANS: dict[str, pl.DataType] = {"symbol": pl.String(), "group": pl.String(), "start": pl.Date(), "end": pl.Date()}
"""SymbolGroups of symbols by date; start and end (inclusive) are null where they hold from ever or for ever."""


def in_universe(market: Market, strategy: Strategy, scores: pl.DataFrame) -> pl.DataFrame:
    """The scores of the traded universe's members, each on the days of its membership."""
    if strategy.universe is None or strategy.universe == "all":
        return scores
    spans = market.universe(strategy.universe)
    return (
        scores.join(spans, on="symbol")
        .filter(pl.col("date").is_between(pl.col("start"), pl.col("end")))
        .select(scores.columns)
        .unique(scores.columns[:-1])
    )


def facts_of(market: Market) -> Facts:
    """Special treatment and listings, where files of them were ingested; a listing's value is the issue price."""
    listings = market.intervals("listing").sort("start").unique("symbol", keep="first")
    priced = listings.with_columns(price=pl.col("value").cast(pl.Float64, strict=False)).filter(pl.col("price") > 0)
    return Facts(
        sessions=market.sessions(),
        st=market.intervals("st").select("symbol", "start", "end").rows(),
        listed=dict(listings.select("symbol", "start").iter_rows()),
        issue_price=dict(priced.select("symbol", "price").iter_rows()),
    )


def group_spans(workspace: WorkspaceFolder, market: Market, strategy: Strategy) -> pl.DataFrame | None:
    """The groups (SPANS) that the strategy's group cap refers to; None without such a cap.

    Raises DataError for a file that cannot be read, and where nobody said what the groups are.
    """
    if strategy.risk.max_group is None:
        return None
    if strategy.risk.groups is not None:
        return read_groups(workspace.root / strategy.risk.groups.expanduser(), market.exchange)
    industries = market.intervals("industry")
    if industries.is_empty():
        raise DataError(
            "risk.max_group: no industries have been ingested",
            hint="kq ingest intervals industry FILE, or name a CSV of symbol and group as risk.groups",
        )
    return industries.rename({"value": "group"}).select(list(SPANS))


def read_groups(path: Path, exchange: str) -> pl.DataFrame:
    """The groups (SPANS) of a CSV file with the columns symbol, group and, where they change, start and end.

    Raises DataError for a file that cannot be read, a column that is missing, and a cell that is none.
    """
    try:
        frame = pl.read_csv(path, infer_schema=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file of groups") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: not a readable CSV file: {str(error).partition(chr(10))[0]}") from None
    missing = [name for name in ("symbol", "group") if name not in frame.columns]
    if missing:
        raise DataError(f"{path}: expected the columns symbol and group, found {', '.join(frame.columns)}")
    frame = frame.with_columns(pl.lit(None, pl.String).alias(name) for name in SPANS if name not in frame.columns)
    frame = frame.select(pl.col(list(SPANS)).str.strip_chars().replace("", None))
    empty = frame.filter(pl.any_horizontal(pl.col("symbol", "group").is_null()))
    if len(empty):
        raise DataError(f"{path}: {len(empty)} rows lack their symbol or group")
    for name in ("start", "end"):
        dates = frame[name].str.to_date("%Y-%m-%d", strict=False)
        wrong = frame[name].filter(dates.is_null() & frame[name].is_not_null())
        if len(wrong):
            raise DataError(f"{path}: {name}: expected dates such as 2025-06-05, found {wrong[0]!r}")
        frame = frame.with_columns(dates.alias(name))
    return frame.with_columns(canonical_column(frame["symbol"], exchange))


def grouped(panel: Panel, spans: pl.DataFrame | None) -> Panel:
    """The panel with the groups of its symbols, where there are any."""
    return panel if spans is None else replace(panel, groups=groups_of(spans, panel.dates, panel.symbols))


def adjusted_volumes(market: Market, bars: pl.DataFrame) -> pl.DataFrame:
    """The bars with every volume in adjusted shares, as the prices are."""
    with market.connect() as connection:
        raw = [symbol for (symbol,) in connection.sql("SELECT symbol FROM unadjusted_volumes").fetchall()]
    if not raw:
        return bars
    adjusted = pl.when(pl.col("symbol").is_in(raw)).then(pl.col("volume") / pl.col("factor")).otherwise("volume")
    return bars.with_columns(adjusted.alias("volume"))


def bars_of_source(market: Market, bars: pl.DataFrame, start: date) -> pl.DataFrame:
    """The bars as Qlib has them: those that the checks rejected too, and none outside a symbol's listing."""
    columns = [name for name in bars.columns if name != "time"]
    usable = (pl.col("close") > 0) & (pl.col("factor") > 0) & (pl.col("date") >= start)
    rejected = read_rejected(market.snapshot.folder, market.freq).filter(usable)
    rejected = rejected.select(pl.col(name).cast(bars.schema[name]) for name in columns).unique(["symbol", "date"])
    both = pl.concat([bars.select(columns), rejected.join(bars, on=["symbol", "date"], how="anti")])
    listed_days = market.instruments().select("symbol", "first_date", "last_date")
    return both.join(listed_days, on="symbol", how="left").filter(
        (pl.col("first_date").is_null() | (pl.col("date") >= pl.col("first_date")))
        & (pl.col("last_date").is_null() | (pl.col("date") <= pl.col("last_date")))
    )


def source_directory(
    workspace: WorkspaceFolder, market: Market, strategy: Strategy, panel: Panel
) -> tuple[Path, QlibFacts] | None:
    """The Qlib directory of a panel's bars, and what Qlib reads there: the one that the strategy names or, with these
    closes, one that they were read from or that kq.yaml names; None without any.

    Raises DataError where the one that the strategy names has other bars.
    """
    if strategy.qlib.directory is not None:
        directory = workspace.root / strategy.qlib.directory.expanduser()
        return directory, facts_of_directory(panel, directory)
    configured = workspace.root / workspace.config.market.qlib_dir.expanduser()
    for directory in dict.fromkeys([*market.origins("qlib"), configured]):
        if (directory / "calendars").is_dir():
            with suppress(DataError):
                return directory, facts_of_directory(panel, directory)
    return None


def qlib_facts(workspace: WorkspaceFolder, market: Market, strategy: Strategy, panel: Panel) -> QlibFacts:
    """What Qlib reads of its own directory, or what the closes tell where there is none of these bars."""
    found = source_directory(workspace, market, strategy, panel)
    if found is not None:
        return found[1]
    facts = derived_facts(panel)
    note = "No Qlib directory of these bars was found: $change is computed from the closes (set `qlib.directory`)."
    return replace(facts, notes=(note,))


def benchmark_close(market: Market, benchmark: str, panel: Panel) -> FloatArray:
    """float64, of every session of the panel: the benchmark's last close in it, NaN where it has no bar."""
    bars = market.bars([benchmark], start=panel.dates[0], end=panel.dates[-1])
    closes = bars.group_by("date").agg(pl.col("close").sort_by("time").last())
    grid = pl.DataFrame({"date": panel.sessions}).join(closes, on="date", how="left", maintain_order="left")
    return grid["close"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
