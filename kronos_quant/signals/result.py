"""What reading signals gives: rows of scores, the column that ranks, and how they show themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from kronos_quant.bounds import MOST_SYMBOLS
from kronos_quant.display import Displayed, summary_table
from kronos_quant.errors import ConfigError, DataError, counted, listed
from kronos_quant.inputs import as_count
from kronos_quant.signals.moments import MOMENT
from kronos_quant.signals.recipe import ImportedRecipe, ResolvedRecipe
from kronos_quant.signals.scores import ERROR_OF

if TYPE_CHECKING:
    import pandas as pd

    from kronos_quant.charts import Chart

SHOWN = ("last", "median", "p_rise", "q05", "q95", "std_error")
"""Columns of a table for people, next to the score."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Signals(Displayed):
    """The signals of a recipe on some dates, and how many of them were computed now.

    The rows are read when they are needed, so that a long range takes no memory.

    >>> import tempfile, kronos_quant as kq
    >>> ws = kq.init(tempfile.mkdtemp())
    >>> bars = ws.ingest_synthetic(symbols=5, sessions=60) and ws.bars()
    >>> imported = ws.import_signals(bars.select("date", "symbol", score="close"), "mine")
    >>> ws.signals("mine").frame.columns
    ['date', 'asof', 'symbol', 'score']
    """

    recipe: ResolvedRecipe
    folder: Path
    """Where they lie; of a blend, where the folders of its members do."""
    dates: list[date]
    """Those of the requested dates that have signals."""
    computed: int
    present: int
    empty: list[date]
    """Those that have none."""
    read: Callable[[Sequence[date]], pl.DataFrame]
    """The rows of some dates."""
    estimated: list[date]
    """Those of `dates` whose forecast has estimated time stamps: no calendar covers them."""

    @property
    def frame(self) -> pl.DataFrame:
        """Every row: date, asof, symbol, close, and the columns of scores."""
        return self.read(self.dates)

    @property
    def score(self) -> str:
        """The column that ranks."""
        return self.recipe.ranks_by

    @property
    def model(self) -> str:
        """The name of the model."""
        return self.recipe.model

    @property
    def title(self) -> str:
        """Recipe, number of sessions, and period."""
        name, period = self.recipe.name or "a recipe", f"{self.dates[0]} to {self.dates[-1]}"
        return f"Signals of {name}: {counted(len(self.dates), 'session')}, {period}"

    def summary(self) -> pl.DataFrame:
        """Where the signals come from, and the best symbol of the last session."""
        best = self.best(1)
        figures = {
            "ranked by": self.score,
            "horizon": counted(self.recipe.horizon, "bar"),
            "universe": self.recipe.universe,
            "model": f"{self.model} (weights {self.recipe.weights[:16]})",
            "recipe": self.recipe.digest,
            "computed now": str(self.computed),
            "already stored": str(self.present),
            "without signals": f"{len(self.empty)}{self._why_empty()}",
            "estimated time stamps": str(len(self.estimated)),
            f"best on {self.dates[-1]}": f"{best[0]['symbol']} ({best[0][self.score]:.4g})" if best else "none",
        }
        return summary_table(figures.items())

    def _why_empty(self) -> str:
        if not self.empty:
            return ""
        imported = isinstance(self.recipe, ImportedRecipe)
        return " (no score for any symbol in the import)" if imported else " (not enough bars for any symbol)"

    def to_pandas(self) -> pd.DataFrame:
        """`frame` as a pandas table."""
        return self.frame.to_pandas()

    def plot(self) -> Chart:
        """The scores that rank, by moment: their quantiles over the symbols, and how many symbols have one."""
        from kronos_quant.charts import scores_figure

        known = self.ranked().filter(pl.col("score").is_finite())
        levels = [pl.col("score").quantile(level).alias(str(level)) for level in (0.05, 0.25, 0.5, 0.75, 0.95)]
        by_time = known.group_by("time").agg(pl.len().alias("scored"), *levels).sort("time")
        counts = by_time["scored"].cast(pl.Float64).to_numpy()
        return scores_figure(by_time["time"].to_list(), counts, by_time.drop("time", "scored").to_numpy().T)

    def ranked(self, score: str | None = None) -> pl.DataFrame:
        """(time, symbol, score) of all dates: their moments, and the column that ranks or another one as it is stored.

        Raises ConfigError for a column that is not there.
        """
        rows, column = self.frame, score or self.score
        if column not in rows.columns:
            raise ConfigError(f"score: expected a column of the signals, found {column!r}")
        return rows.select(self.recipe.moment.alias("time"), "symbol", pl.col(column).alias("score"))

    def best(self, n: int = 10) -> list[dict[str, Any]]:
        """The `n` symbols of the last moment with the highest score, ties by symbol, a score that is NaN last."""
        n, moment = as_count(n, "n", 0, MOST_SYMBOLS), self.recipe.moment
        last = self.read(self.dates[-1:]).filter(moment == moment.max())
        return sort_rows(last, self.score).head(n).select(shown_columns(last, self.score)).to_dicts()

    def as_dict(self, top: int) -> dict[str, Any]:
        """For --json."""
        return {
            "computed": self.computed,
            "present": self.present,
            "without_bars": self.empty,
            "estimated": self.estimated,
            "store": self.folder,
            "recipe_digest": self.recipe.digest,
            "model": self.model,
            "weights": self.recipe.weights,
            "best": self.best(top),
        }

    def lines(self) -> list[str]:
        """The outcome in words."""
        lines = [
            f"signals of {counted(len(self.dates), 'session')} from {self.dates[0]} to {self.dates[-1]}: "
            f"{self.computed} computed, {self.present} already stored",
            f"model {self.model} (weights {self.recipe.weights[:16]}), recipe {self.recipe.digest}",
            f"store: {self.folder}",
        ]
        if self.empty:
            lines.insert(1, f"{counted(len(self.empty), 'session')} without signals{self._why_empty()}")
        return [*lines, *estimated_lines(self.estimated)]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class StoredSignals(Displayed):
    """Signals that are in the store, under a recipe's name or a digest."""

    name: str
    digest: str
    model: str
    score: str
    """The column that ranks."""
    frame: pl.DataFrame
    """date, asof, symbol and scores."""
    moment: pl.Expr
    """Of a row."""
    estimated: list[date] = field(default_factory=list)
    """Sessions whose forecast has estimated time stamps, as far as the recipe is known."""

    @property
    def title(self) -> str:
        """Recipe and period."""
        dates = self.frame["date"].unique().sort()
        return f"Stored signals of {self.name}: {dates[0]} to {dates[-1]}"

    def summary(self) -> pl.DataFrame:
        """How many there are, and of what."""
        figures = {
            "sessions": str(self.frame["date"].n_unique()),
            "symbols": str(self.frame["symbol"].n_unique()),
            "ranked by": self.score,
            "model": self.model,
            "recipe digest": self.digest,
        }
        return summary_table(figures.items())

    def to_pandas(self) -> pd.DataFrame:
        """`frame` as a pandas table."""
        return self.frame.to_pandas()

    def ranked(self) -> pl.DataFrame:
        """date, moment, symbol, score."""
        return self.frame.select("date", self.moment.alias(MOMENT), "symbol", pl.col(self.score).alias("score"))

    def moments(self) -> list[datetime]:
        """The distinct moments of the rows, ascending."""
        return self.frame.select(self.moment.unique().sort()).to_series().to_list()

    def at(self, moment: datetime) -> StoredSignals:
        """The rows of one moment. Raises DataError where there are none."""
        if moment not in self.moments():
            there = listed(f"{each:%H:%M}" for each in self.moments())
            raise DataError(
                f"{self.name}: no signals asof {moment:%Y-%m-%d %H:%M}",
                hint=f"Decision times of that session: {there}.",
            )
        return replace(self, frame=self.frame.filter(self.moment == moment))

    def ends(self, n: int) -> list[dict[str, Any]]:
        """The `n` best and the `n` worst rows, best first."""
        ordered = sort_rows(self.frame, self.score).select(shown_columns(self.frame, self.score))
        shown = ordered if ordered.height <= 2 * n else pl.concat([ordered.head(n), ordered.tail(n)])
        return shown.to_dicts()

    def lines(self, top: int = 5) -> list[str]:
        """What it is, in words; top : rows of either end that are shown."""
        known = self.frame[self.score].is_finite().sum()
        scored = "all" if known == self.frame.height else f"{known:,}"
        shown = "all" if self.frame.height <= 2 * top else f"top and bottom {top}"
        on, moment = self.frame["date"][0], self.moments()[-1]
        when = on if moment.date() == on and moment.time() == time() else moment.strftime("%Y-%m-%d %H:%M")
        return [
            f"{counted(self.frame.height, 'symbol')} on {when}, {scored} scored (column {self.score}); {shown} shown.",
            f"recipe {self.name} ({self.digest}), model {self.model}",
            *estimated_lines(self.estimated),
        ]

    def as_dict(self, top: int) -> dict[str, Any]:
        """For --json."""
        return {
            "recipe": self.name,
            "recipe_digest": self.digest,
            "model": self.model,
            "score": self.score,
            "symbols": self.frame.height,
            "estimated": self.estimated,
            "rows": self.ends(top),
        }


def estimated_lines(dates: Sequence[date]) -> list[str]:
    """On how many sessions no calendar covers the bars that were forecast, in words; [] for none."""
    if not dates:
        return []
    sessions = counted(len(dates), "session")
    return [f"estimated time stamps: {sessions} (first: {dates[0]}): no exchange calendar covers the forecast bars"]


def sort_rows(rows: pl.DataFrame, score: str) -> pl.DataFrame:
    """Rows from the best to the worst score, ties by symbol, NaN last."""
    column = pl.col(score).fill_nan(None)
    return rows.sort(column, "symbol", descending=[True, False], nulls_last=True)


def shown_columns(rows: pl.DataFrame, score: str) -> list[str]:
    """The columns of a table for people: the score and its error first; asof where it says more than the date."""
    when = ["date"] if (rows["asof"] == rows["date"].cast(pl.Datetime("us"))).all() else ["date", "asof"]
    wanted = (*when, "symbol", "close", score, ERROR_OF.get(score, ""), *SHOWN)
    return [name for name in dict.fromkeys(wanted) if name in rows.columns]
