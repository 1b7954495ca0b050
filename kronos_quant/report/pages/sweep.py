"""The page of `kq sweep`: the best trials, whether the best is significant, and maps of the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from kronos_quant.charts import HOW_TO_READ, Chart, heatmap_figure, write_png
from kronos_quant.display import Displayed, setting_text, summary_table
from kronos_quant.errors import counted, listed
from kronos_quant.report.document import Document, Part, Picture, capitalised, make_picture
from kronos_quant.report.terms import FIGURES as LABELS
from kronos_quant.report.terms import figure_cell
from kronos_quant.validity.luck import Luck
from kronos_quant.validity.sweep_trials import sort_by_sharpe

if TYPE_CHECKING:
    import pandas as pd

FIGURES = (
    "annual_return", "annual_volatility", "sharpe_ratio", "deflated_sharpe_probability", "max_drawdown", "turnover",
    "annual_cost",
)  # fmt: skip
"""Columns of the best trials."""

BEST = 10
"""Trials that are shown."""
BIASED = "The best of many trials is biased upwards; the heat maps show whether neighbouring settings agree."


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SweepRun(Displayed):
    """A finished sweep: its folder, its trials (settings and figures, a row each), and what was left out.

    luck : the tests of the trial with the highest Sharpe ratio, None where no trial has one
    resumed : trials that an interrupted run had finished; refused : why combinations are no valid strategy
    """

    folder: Path
    settings: tuple[str, ...]
    trials: pl.DataFrame
    luck: Luck | None
    resumed: int
    refused: list[str]
    seconds: float

    @property
    def title(self) -> str:
        """How many trials, over which settings."""
        return f"Sweep of {', '.join(self.settings)}: {counted(len(self.trials), 'trial')}"

    def summary(self) -> pl.DataFrame:
        """The best trial with its settings, figures and tests, the next ones by Sharpe ratio, and the notes."""
        best, *others = self.best().to_dicts()
        rows = [(name, setting_text(best[name])) for name in self.settings]
        rows += [(LABELS[key][0], figure_cell(best, key)) for key in FIGURES]
        for place, trial in enumerate(others, 2):
            chosen = ", ".join(f"{name}={setting_text(trial[name])}" for name in self.settings)
            figures = ", ".join(f"{LABELS[key][0]} {figure_cell(trial, key)}" for key in FIGURES)
            rows.append((f"trial {place} by Sharpe ratio", f"{chosen}: {figures}"))
        verdict, *tests = (None,) if self.luck is None else self.luck.lines()
        rows += [(name, test) for name, _, test in (str(line).partition(": ") for line in tests)]
        refused = [f"not valid: {why}" for why in self.refused]
        return summary_table(rows, [BIASED, *refused], verdict)

    def plot(self, title: str | None = None, width: float = 11.0) -> Chart:
        """Heat maps over the first two settings that vary. title : None is the result's own; width : inches"""
        rows, columns = map_settings(self.settings, self.trials)[0]
        return heatmap_figure(self.trials, rows, columns, self.title if title is None else title, width)

    def to_pandas(self) -> pd.DataFrame:
        """All trials as a pandas table."""
        return self.trials.to_pandas()

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "folder": self.folder,
            "trials": len(self.trials),
            "resumed": self.resumed,
            "left_out": self.refused,
            "seconds": self.seconds,
            "best": self.best().to_dicts(),
            "luck": None if self.luck is None else self.luck.as_dict(),
        }

    def best(self) -> pl.DataFrame:
        """The trials with the highest Sharpe ratios."""
        return sort_by_sharpe(self.trials).head(BEST).select(*self.settings, *FIGURES)

    def lines(self) -> list[str]:
        """The outcome in words."""
        count = counted(len(self.trials), "trial")
        lines = [f"{count} in {self.seconds:.1f} s" + (f", {self.resumed:,} of them resumed" if self.resumed else "")]
        if self.refused:
            lines.append(f"{counted(len(self.refused), 'combination')} not valid: {listed(self.refused, 2)}")
        lines.append(f"best {min(BEST, len(self.trials))} of {count} by Sharpe ratio:")
        best = self.best().rename({"deflated_sharpe_probability": "deflated"})
        with pl.Config(tbl_rows=BEST, tbl_cols=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True,
                       tbl_formatting="NOTHING", float_precision=4, tbl_width_chars=160):  # fmt: skip
            lines += str(best).splitlines()
        lines.append(BIASED)
        if self.luck is not None:
            lines += ["best trial:", *(f"  {line}" for line in self.luck.lines())]
        return [*lines, f"page: {self.folder / 'sweep.html'}", f"folder: {self.folder}"]


def write_sweep_page(
    folder: Path,
    name: str,
    facts: Sequence[str],
    settings: Sequence[str],
    trials: pl.DataFrame,
    best: pl.DataFrame,
    luck: Luck | None,
) -> Path:
    """Write sweep.html and a PNG of each map into a folder, each whole or not at all; gives back the page.

    name : of the strategy; facts : on period, benchmark and annualisation; settings : those of the grid
    trials, best : a row a trial with its settings and figures, all of them and the best by Sharpe ratio
    luck : the tests of the best one, None where no trial has a Sharpe ratio
    """
    count = counted(len(trials), "trial")
    rows = tuple(
        (*(setting_text(row[setting]) for setting in settings), *(figure_cell(row, key) for key in FIGURES))
        for row in best.iter_rows(named=True)
    )
    columns = (*settings, *(LABELS[key][0] for key in FIGURES))
    line = f"The best {len(best)} of {count} by Sharpe ratio; trials.parquet holds all of them."
    maps = []
    for first, second in map_settings(settings, trials):
        file = f"heatmap-{first}{'-' + second if second else ''}.png"
        write_png(folder / file, heatmap_figure(trials, first, second, f"{name}: mean over {count}"))
        maps.append(_map(f"{first} and {second}" if second else first, trials, first, second))
    sections = [
        *([] if luck is None else [Part("Significance of the best trial", capitalised(luck.lines()), tone="verdict")]),
        Part("Best trials", (line,), columns, rows, wide=True),
        Part("Maps", pictures=tuple(maps), wide=True),
    ]
    page = folder / "sweep.html"
    grid = f"Grid: {', '.join(settings)}; {count}."
    Document(f"Sweep: {name}", (*facts, grid), sections=tuple(sections)).write_page(page)
    return page


def map_settings(settings: Sequence[str], trials: pl.DataFrame) -> list[tuple[str, str | None]]:
    """The pairs of settings that are mapped: the first that varies with each further one, or alone."""
    varied = [setting for setting in settings if trials[setting].n_unique() > 1] or [settings[0]]
    others: list[str | None] = [*varied[1:]] or [None]
    return [(varied[0], other) for other in others]


def _map(heading: str, trials: pl.DataFrame, first: str, second: str | None) -> Picture:
    return make_picture(heading, lambda width: heatmap_figure(trials, first, second, width=width), HOW_TO_READ)
