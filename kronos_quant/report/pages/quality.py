"""The page of `kq check`: what was found first, each rule with its worst symbols in pictures, and rejected bars."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from kronos_quant.charts import bars_figure, time_labels
from kronos_quant.errors import counted
from kronos_quant.market.quality.checks import Check
from kronos_quant.market.quality.survey import Survey, by_symbol
from kronos_quant.report.document import Document, Part, Picture, plain_cell, small_picture

PICTURES_PER_RULE = 4
BARS_AROUND = 25
"""Bars shown before and after the first offending one."""

SYMBOLS_PER_RULE = 20
REJECTED_SHOWN = 200

HOW_TO_READ = (
    "Bars by rule. Bars with warnings are stored; bars with errors are rejected. In the charts below, the line is the "
    "close, thin strokes run from low to high, the bars at the bottom are the volume, and offending bars are "
    "marked. A single mark is a bad tick; many at once suggest that the source defines the field differently."
)


def write_quality_page(path: Path, survey: Survey) -> None:
    """Write the page, whole or not at all."""
    quality_document(survey).write_page(path)


def quality_document(survey: Survey) -> Document:
    """The state of the stored bars: findings first, then the rules that found nothing."""
    stored, refused = by_symbol(survey.found), by_symbol(survey.refused)
    counts = pl.concat([stored, refused])
    broken = [check for check in survey.checks if check.name in set(counts["rule"])]
    passed = [check for check in survey.checks if check not in broken]
    sections = (
        *_gates(survey),
        *_findings(broken, stored, refused),
        *(_rule(survey, check, counts.filter(pl.col("rule") == check.name)) for check in broken),
        *_rejected(survey),
        *_clean(passed),
    )
    return Document("Data quality", _facts(survey), sections=sections)


def _facts(survey: Survey) -> tuple[str, ...]:
    market = survey.market
    span = market.snapshot.freqs[market.freq]
    warned = survey.found.select("symbol", "time").n_unique()
    return (
        f"{market.freq} bars: {survey.bars:,} of {counted(span.symbols, 'symbol')}, {span.first} to {span.last}; "
        f"exchange: {market.exchange or 'unknown'}; snapshot {market.snapshot.digest[:16]}.",
        f"{counted(warned, 'bar')} stored with a warning, {survey.rejected.height:,} rejected.",
    )


def _gates(survey: Survey) -> Iterator[Part]:
    rows = tuple(
        (gate.name, f"{gate.allowed:g}", f"{gate.found:.6g}", "passed" if gate.passed else "failed")
        for gate in survey.gates
    )
    if rows:
        yield Part("Gates", (), ("gate", "allowed", "found", "result"), rows, wide=True)


def _findings(broken: Sequence[Check], stored: pl.DataFrame, refused: pl.DataFrame) -> Iterator[Part]:
    """The rules that found something, the most bars first."""
    rows = []
    for check in broken:
        found = [frame.filter(pl.col("rule") == check.name) for frame in (stored, refused)]
        bars = [int(frame["bars"].sum()) for frame in found]
        symbols = pl.concat(found)["symbol"].n_unique()
        rows.append((max(bars), (check.name, check.severity, f"{bars[0]:,}", f"{bars[1]:,}", f"{symbols:,}")))
    ordered = tuple(row for _, row in sorted(rows, key=lambda row: -row[0]))
    if ordered:
        columns = ("rule", "severity", "stored", "rejected", "symbols")
        yield Part("Findings", (HOW_TO_READ,), columns, ordered, wide=True)


def _clean(passed: Sequence[Check]) -> Iterator[Part]:
    """The rules that found nothing, in one line that unfolds."""
    if passed:
        rows = tuple((check.name, check.severity, check.why) for check in passed)
        title = f"{counted(len(passed), 'check')} found nothing"
        yield Part(title, (), ("rule", "severity", "why it matters"), rows, wide=True, folded=True)


def _rule(survey: Survey, check: Check, found: pl.DataFrame) -> Part:
    """A rule's section: why it matters, the worst symbols in pictures, and its counts by symbol."""
    found = found.sort("bars", descending=True)
    places = pl.concat([survey.found, survey.refused]).filter(pl.col("rule") == check.name)
    worst = found["symbol"].drop_nulls().unique(maintain_order=True).head(PICTURES_PER_RULE).to_list()
    history = survey.market.select_bars(worst) if worst else None
    pictures: list[Picture] = []
    for symbol in worst:
        assert history is not None
        of_symbol = pl.col("symbol") == symbol
        pictures += _pictures(symbol, history.filter(of_symbol), places.filter(of_symbol)["time"])
    rows = tuple(
        (symbol or "-", f"{bars:,}", plain_cell(first), plain_cell(last))
        for symbol, bars, first, last in found.drop("rule").head(SYMBOLS_PER_RULE).rows()
    )
    more = len(found) - len(rows)
    lines = (check.why, *([f"The {len(rows)} symbols with the most bars; {more:,} more symbols."] if more > 0 else []))
    title = f"{check.name} ({check.severity})"
    return Part(title, lines, ("symbol", "bars", "first", "last"), rows, pictures=tuple(pictures), wide=True)


def _pictures(symbol: str, history: pl.DataFrame, times: pl.Series) -> Iterator[Picture]:
    """A picture of a symbol's stored bars around the first offending one; none where no bar is stored."""
    offending = times.drop_nulls().sort().to_list()
    if history.is_empty() or not offending:
        return
    stamps = history["time"].to_list()
    middle = bisect_left(stamps, offending[0])
    first = max(0, middle - BARS_AROUND)
    shown = history.slice(first, middle + BARS_AROUND + 1 - first)
    last_shown = shown["time"][-1]
    marked = dict.fromkeys(_place(stamps, time) - first for time in offending if time <= last_shown)
    labels = time_labels([shown["time"][0], last_shown])
    yield small_picture(f"{symbol}: {labels[0]} to {labels[1]}", bars_figure(shown, list(marked)))


def _place(stamps: Sequence[datetime], time: datetime) -> float:
    """The number of the bar at a time; of a bar that is not there: between its neighbours."""
    place = bisect_left(stamps, time)
    return place if place < len(stamps) and stamps[place] == time else place - 0.5


def _rejected(survey: Survey) -> Iterator[Part]:
    if survey.rejected.is_empty():
        return
    names = ("symbol", "time", "rules", "source", "open", "high", "low", "close", "volume", "amount", "factor")
    rows = tuple(
        tuple(plain_cell(value) for value in row) for row in survey.rejected.head(REJECTED_SHOWN).select(names).rows()
    )
    more = survey.rejected.height - len(rows)
    folder = survey.market.snapshot.folder.name
    lines = (f"The first {len(rows)}; {more:,} more are in snapshot {folder}.",) if more else ()
    yield Part("Rejected bars", lines, names, rows, wide=True)
