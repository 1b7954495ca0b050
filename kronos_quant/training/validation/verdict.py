"""Whether training was worth it, in words: against what it started from, and against the last close.

Errors are compared block by block of dates, so that what a date brought to all forecasts alike does not blur them.
Whatever stands behind a ± is half of a 95 % interval; a difference inside it is told from nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kronos_quant.training.validation.figures import FEWEST_SYMBOLS, Figures, Score, margin

ZERO_SHOT, UNTRAINED = "zero-shot model", "untrained network"
TRAINED, LAST_CLOSE = "trained model", "last close"
COLUMNS = {
    "mae": ("MAE", "{:.3%}"),
    "mse": ("MSE", "{:.3e}"),
    "r2": ("R2", "{:+.4f}"),
    "correlation": ("correlation", "{:+.4f}"),
    "direction": ("direction", "{:.1%}"),
    "rank_ic": ("rank IC", "{:+.4f}"),
}
"""Figure -> its heading and its form."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """By how much one mean squared error is above another's, as a share of it, and the margin of that."""

    change: float
    margin: float

    @property
    def word(self) -> str:
        """What the difference says."""
        if abs(self.change) <= self.margin:
            return "is not told from"
        return "forecasts better than" if self.change < 0 else "forecasts worse than"

    def __str__(self) -> str:
        return f"squared error {self.change:+.2%} ± {self.margin:.2%}"


def compare(ours: Score, theirs: Score) -> Comparison | None:
    """Two forecasts of the same windows; None where there are too few blocks, or a forecast is not a number."""
    if len(ours.errors) != len(theirs.errors):
        return None
    ahead, whole = np.array(ours.errors) - np.array(theirs.errors), np.mean(theirs.errors)
    found = margin(ahead)
    if found is None or not whole > 0:
        return None
    return Comparison(float(ahead.mean() / whole), float(found / whole))


def verdict(trained: Score, control: Score, last_close: Score, control_name: str) -> list[str]:
    """What training brought: a sentence for each thing to be better than, and one for the ranking."""
    told = []
    for name, other in ((control_name, control), (LAST_CLOSE, last_close)):
        found = compare(trained, other)
        if trained.errors and trained.errors == other.errors:
            told.append(f"the {TRAINED} is the {name}: no epoch was better")
        elif found is None:
            told.append(f"the {TRAINED} cannot be compared with the {name}: too few dates, or no forecast")
        else:
            told.append(f"the {TRAINED} {found.word} the {name}: {found}")
    return [*told, _ranking(trained.figures, control.figures, control_name)]


def _ranking(trained: Figures, control: Figures, control_name: str) -> str:
    ic, width, before = trained["rank_ic"], trained["rank_ic_margin"], control["rank_ic"]
    if ic is None:
        return (
            f"no rank IC: it needs dates with {FEWEST_SYMBOLS} symbols whose forecasts differ "
            "(correlation and direction are over all windows together)"
        )
    beside = "" if before is None else f" (the {control_name}: {before:+.4f})"
    if width is None:
        return f"rank IC {ic:+.4f}{beside}: too few dates to tell it from chance"
    told = "above chance" if ic > width else "below chance" if ic < -width else "not told from chance"
    return f"rank IC {ic:+.4f} ± {width:.4f}{beside}: {told}"


def in_short(figures: Figures) -> str:
    """The decoded figures for a line of the log; nothing where there are none."""
    if figures.get("mae") is None:
        return ""
    order = "correlation" if figures["rank_ic"] is None else "rank_ic"
    return (
        f"; decoded: MAE {_cell('mae', figures['mae'])} (last close {_cell('mae', figures['naive_mae'])}), "
        f"{COLUMNS[order][0]} {_cell(order, figures[order])}"
    )


def decoded_lines(decoded: Mapping[str, Any]) -> list[str]:
    """The part `decoded` of a card in words: what was forecast, the figures side by side, and what they say."""
    start = decoded["start"]
    return [
        f"decoded: {decoded['windows']} validation windows at {decoded['times']} times, {decoded['horizon']} bars "
        f"ahead, mean of {decoded['samples']} paths; the epoch was chosen by {decoded['chosen_by']}",
        *_table([(TRAINED, decoded["trained"]), (start["name"], start), (LAST_CLOSE, decoded["last_close"])]),
        *decoded["verdict"],
    ]


def _table(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    cells = [["", *(heading for heading, _ in COLUMNS.values())]]
    cells += [[name, *(_cell(column, figures.get(column)) for column in COLUMNS)] for name, figures in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in cells
    ]


def _cell(column: str, value: float | None) -> str:
    return "-" if value is None else COLUMNS[column][1].format(value)
