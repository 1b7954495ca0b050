"""The page of `kq forecast`: the picture, what it means in words, and the numbers.

One file without scripts and without references, readable on a phone and in the dark; every name is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from kronos_quant.files import write_text
from kronos_quant.report.fan import Fan, fan_svg

WIDE, NARROW = (960, 420, 90), (400, 340, 36)
"""Width, height and bars of history of the picture on a screen and on a phone."""

_STYLE = """
:root { color-scheme: light dark; --page: #fff; --ink: #222; --soft: #5a5a5a; --line: #ddd; --head: #eee;
  --model: #0072b2; --naive: #c04f00; --candle: #444; }
@media (prefers-color-scheme: dark) { :root { --page: #16181b; --ink: #e6e6e6; --soft: #a8a8a8; --line: #383c42;
  --head: #24282d; --model: #56b4e9; --naive: #ff9a52; --candle: #b8b8b8; } }
body { margin: 1.5rem auto; max-width: 1000px; padding: 0 1rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 Arial, sans-serif; overflow-wrap: anywhere; }
h1 { margin: 0; font-size: 1.5rem; }
h2 { margin: 1.6rem 0 .4rem; font-size: 1.1rem; }
header p, footer, .soft { color: var(--soft); }
header p { margin: .2rem 0; }
svg { width: 100%; height: auto; display: block; }
.narrow { display: none; }
svg text { fill: var(--soft); font: 12px Arial, sans-serif; }
svg .grid { stroke: var(--line); } svg .now { stroke: var(--soft); stroke-dasharray: 2 3; }
svg .band { fill: var(--model); fill-opacity: .22; }
svg .median { stroke: var(--model); stroke-width: 2.2; fill: none; }
svg .naive { stroke: var(--naive); stroke-width: 1.6; stroke-dasharray: 6 4; fill: none; }
svg .wick, svg .rose, svg .fell { stroke: var(--candle); fill: none; }
svg .rose { fill: var(--page); } svg .fell { fill: var(--candle); }
svg .told { fill: transparent; } svg .told:hover { fill: var(--soft); fill-opacity: .15; }
.key { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; padding: 0; margin: .4rem 0; }
.key i { display: inline-block; width: 1.6rem; height: .7rem; margin-right: .4rem; }
.key .outer { background: var(--model); opacity: .22; } .key .inner { background: var(--model); opacity: .4; }
.key .middle { height: 0; border-top: 3px solid var(--model); vertical-align: middle; }
.key .walk { height: 0; border-top: 2px dashed var(--naive); vertical-align: middle; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 7px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
thead th { background: var(--head); }
footer { border-top: 1px solid var(--line); margin-top: 1.4rem; padding-top: .6rem; font-size: 13.5px; }
@media (max-width: 620px) { .wide { display: none; } .narrow { display: block; } }
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
{facts}
</header>
<div class="wide">
{wide}
</div>
<div class="narrow">
{narrow}
</div>
{key}
<p class="soft">Good: blue bands narrower than the dashed lines, if the price then stays within them as often as they
claim. Wider bands than a random walk's, or a median that runs far ahead of them, deserve doubt.</p>
<h2>In words</h2>
{words}
<h2>The close of each bar to come</h2>
<div class="scroll">{table}</div>
<footer>For research only: a forecast is no promise, and nothing here is advice. The picture shows one forecast; whether
forecasts like it have been right is what <code>kq evaluate</code> measures.</footer>
</body>
</html>
"""


def write_forecast_page(
    path: Path, fan: Fan, title: str, facts: Sequence[str], words: Sequence[str], table: pl.DataFrame
) -> None:
    """Write the page, whole or not at all.

    facts : lines on what was asked of which model; words : sentences on what came out; table : a row a bar to come,
    numbers and times.
    """
    write_text(
        path,
        _PAGE.format(
            title=html.escape(title),
            style=_STYLE,
            facts=_paragraphs(facts),
            wide=fan_svg(fan, *WIDE),
            narrow=fan_svg(fan, *NARROW),
            key=_key(fan),
            words=_paragraphs(words),
            table=_table(table),
        ),
    )


def _paragraphs(lines: Iterable[str]) -> str:
    return "\n".join(f"<p>{html.escape(line[:1].upper() + line[1:])}</p>" for line in lines)


def _key(fan: Fan) -> str:
    """What the colours mean; an interval within another is the darker one."""
    intervals = [f"{fan.levels[-1 - i] - fan.levels[i]:.0%}" for i in range(len(fan.levels) // 2)]
    shades = ["outer", *["inner"] * (len(intervals) - 1)]
    items = [(shade, f"forecast, {name} of the paths") for shade, name in zip(shades, intervals, strict=True)]
    items += [("middle", "forecast, median"), ("walk", f"naive random walk, {fan.interval}")]
    return '<ul class="key">' + "".join(f'<li><i class="{name}"></i>{text}</li>' for name, text in items) + "</ul>"


def _table(table: pl.DataFrame) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in table.columns)
    rows = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>" for row in table.rows())
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(value: object) -> str:
    """A value in a cell; a day needs no 00:00."""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return html.escape(str(value).removesuffix(" 00:00:00"))
