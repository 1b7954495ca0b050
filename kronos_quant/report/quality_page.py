"""The page of `kq check`: counts by rule and symbol, small pictures of the worst symbols, rejected bars, gates.

One file without scripts and without references; every name is escaped.
"""

from __future__ import annotations

import html
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from kronos_quant.files import write_text
from kronos_quant.market.quality.checks import Check
from kronos_quant.market.quality.survey import Survey, by_symbol
from kronos_quant.report.canvas import time_labels
from kronos_quant.report.sparks import bars_svg

PICTURES_A_RULE = 4
BARS_BESIDE = 25
"""Bars shown before and after the first offending one."""

SYMBOLS_A_RULE = 20
REJECTED_SHOWN = 200

_STYLE = """
body { margin: 2rem auto; max-width: 1080px; padding: 0 1rem; color: #222; font: 14px/1.45 Arial, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; font-weight: 600; }
h2 { margin: 1.8rem 0 .3rem; font-size: 1.1rem; overflow-wrap: anywhere; }
header { border-bottom: 1px solid #ccc; padding-bottom: .6rem; }
header p, .why, figcaption { color: #555; margin: .2rem 0; overflow-wrap: anywhere; }
table { margin: .6rem 0; border-collapse: collapse; font-size: 13px; width: 100%; }
th, td { padding: 3px 6px; text-align: right; border-bottom: 1px solid #eee; }
th.text, td.text { text-align: left; overflow-wrap: anywhere; }
thead th { background: #eee; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: .8rem; }
figure { margin: 0; } figure svg { width: 100%; height: auto; background: #fafafa; }
figcaption { font-size: 12px; }
.error, .failed { color: #b00; font-weight: 600; } .warning { color: #a60; } .passed { color: #060; }
"""

HOW_TO_READ = (
    "Bars by rule: a warning is stored all the same, an error keeps its bar out. Good is 0. In the pictures below the "
    "line is the close, the thin strokes go from low to high, the blocks are the volume, and what breaks the rule is "
    "marked; one mark alone is a bad tick, many at once a source that means something else by a field."
)

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Data quality</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>Data quality</h1>
{facts}
</header>
{body}
</body>
</html>
"""


def write_quality_page(path: Path, survey: Survey) -> None:
    """Write the page, whole or not at all."""
    stored, refused = by_symbol(survey.found), by_symbol(survey.refused)
    broken = set(stored["rule"]) | set(refused["rule"])
    sections = [
        _gates(survey),
        _overview(survey, stored, refused),
        *(_rule(survey, check, stored, refused) for check in survey.checks if check.name in broken),
        _rejected(survey),
    ]
    write_text(path, _PAGE.format(style=_STYLE, facts=_facts(survey), body="\n".join(sections)))


def _facts(survey: Survey) -> str:
    market = survey.market
    span = market.snapshot.freqs[market.freq]
    kept = survey.found.select("symbol", "time").n_unique()
    lines = [
        f"{survey.bars:,} {market.freq} bars of {span.symbols:,} symbols, {span.first} to {span.last}",
        f"exchange: {market.exchange or 'unknown'}; snapshot {market.snapshot.digest[:16]}",
        f"{kept:,} bars are stored with a warning, {survey.rejected.height:,} were rejected",
    ]
    return "\n".join(f"<p>{html.escape(line)}</p>" for line in lines)


def _gates(survey: Survey) -> str:
    if not survey.gates:
        return ""
    rows = [
        [gate.name, f"{gate.allowed:g}", f"{gate.found:.6g}", "passed" if gate.passed else "failed"]
        for gate in survey.gates
    ]
    return "<h2>Gates</h2>" + _table(["gate", "allowed", "found", ""], rows, text=1, marked=3)


def _overview(survey: Survey, stored: pl.DataFrame, refused: pl.DataFrame) -> str:
    rows = []
    for check in survey.checks:
        of_rule, of_refused = (frame.filter(pl.col("rule") == check.name) for frame in (stored, refused))
        symbols = pl.concat([of_rule, of_refused])["symbol"].n_unique()
        rows.append(
            [check.name, check.severity, f"{of_rule['bars'].sum():,}", f"{of_refused['bars'].sum():,}", f"{symbols:,}"]
        )
    rows.sort(key=lambda row: -max(int(row[2].replace(",", "")), int(row[3].replace(",", ""))))
    table = _table(["rule", "severity", "stored", "rejected", "symbols"], rows, text=2, marked=1)
    return f'<h2>Rules</h2><p class="why">{html.escape(HOW_TO_READ)}</p>{table}'


def _rule(survey: Survey, check: Check, stored: pl.DataFrame, refused: pl.DataFrame) -> str:
    """A rule's section: why it matters, the worst symbols in pictures, and its counts by symbol."""
    counted = pl.concat([stored, refused]).filter(pl.col("rule") == check.name).sort("bars", descending=True)
    places = pl.concat([survey.found, survey.refused]).filter(pl.col("rule") == check.name)
    worst = counted["symbol"].drop_nulls().unique(maintain_order=True).head(PICTURES_A_RULE).to_list()
    history = survey.market.bars(symbols=worst)
    figures = [
        _figure(symbol, history.filter(pl.col("symbol") == symbol), places.filter(pl.col("symbol") == symbol)["time"])
        for symbol in worst
    ]
    rows = [
        [symbol or "-", f"{bars:,}", _plain(first), _plain(last)]
        for symbol, bars, first, last in counted.drop("rule").head(SYMBOLS_A_RULE).rows()
    ]
    more = len(counted) - len(rows)
    return (
        f'<h2><span class="{check.severity}">{check.severity}</span> {html.escape(check.name)}</h2>'
        f'<p class="why">{html.escape(check.why)}</p><div class="figures">{"".join(figures)}</div>'
        + _table(["symbol", "bars", "first", "last"], rows, text=1)
        + (f'<p class="why">and {more:,} more symbols</p>' if more > 0 else "")
    )


def _figure(symbol: str, history: pl.DataFrame, times: pl.Series) -> str:
    """A picture of a symbol's stored bars around the first offending one; nothing where no bar is stored."""
    offending = times.drop_nulls().sort().to_list()
    if history.is_empty() or not offending:
        return ""
    stamps = history["time"].to_list()
    middle = bisect_left(stamps, offending[0])
    first = max(0, middle - BARS_BESIDE)
    shown = history.slice(first, middle + BARS_BESIDE + 1 - first)
    last_shown = shown["time"][-1]
    marked = dict.fromkeys(_place(stamps, time) - first for time in offending if time <= last_shown)
    labels = time_labels([shown["time"][0], last_shown])
    caption = f"{symbol}: {labels[0]} to {labels[1]}"
    return f"<figure>{bars_svg(shown, list(marked))}<figcaption>{html.escape(caption)}</figcaption></figure>"


def _place(stamps: Sequence[datetime], time: datetime) -> float:
    """The number of the bar at a time; of a bar that is not there: between its neighbours."""
    place = bisect_left(stamps, time)
    return place if place < len(stamps) and stamps[place] == time else place - 0.5


def _rejected(survey: Survey) -> str:
    if survey.rejected.is_empty():
        return ""
    names = ["symbol", "time", "rules", "source", "open", "high", "low", "close", "volume", "amount", "factor"]
    shown = survey.rejected.head(REJECTED_SHOWN)
    rows = [[_plain(value) for value in row] for row in shown.select(names).rows()]
    more = survey.rejected.height - len(rows)
    return (
        "<h2>Rejected bars</h2>"
        + _table(names, rows, text=4)
        + (f'<p class="why">and {more:,} more; all are in {survey.market.snapshot.folder.name}</p>' if more else "")
    )


def _plain(value: object) -> str:
    """A value as a cell's text: 'nothing' is a dash, and a day needs no 00:00."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return "-" if value is None else str(value).removesuffix(" 00:00:00")


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, text: int, marked: int | None = None) -> str:
    """A table whose first `text` columns are words; the cells of column `marked` are coloured by their own words."""

    def cell(tag: str, number: int, value: str) -> str:
        classes = ["text"] * (number < text) + [html.escape(value)] * (number == marked and tag == "td")
        return f'<{tag} class="{" ".join(classes)}">{html.escape(value)}</{tag}>'

    head = "".join(cell("th", i, name) for i, name in enumerate(columns))
    body = "".join(f"<tr>{''.join(cell('td', i, value) for i, value in enumerate(row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
