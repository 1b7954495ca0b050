"""The rank IC of a table of scores on a table of bars, without a workspace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import time
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from kronos_quant.bounds import MOST_BARS
from kronos_quant.display import Displayed, figure_text, summary_table
from kronos_quant.errors import DataError, counted
from kronos_quant.inputs import PathLike, Table, as_count, as_frame
from kronos_quant.market import canonical_column
from kronos_quant.panel.matrix import forward_returns, overlapping_rows, to_matrix
from kronos_quant.signals.table import SYMBOL_NAMES, ScoreTable, read_score_table
from kronos_quant.stats.correlation import FEWEST_PAIRS, rank_ic
from kronos_quant.stats.intervals import MeanInterval, mean_interval

if TYPE_CHECKING:
    import pandas as pd

    from kronos_quant.charts import Chart


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class RankICTable(Displayed):
    """The mean rank IC of scores, and that of each date."""

    horizon: int
    """Bars ahead."""
    interval: MeanInterval
    """The mean over dates with its 95% confidence interval."""
    by_date: pl.DataFrame
    """time, rank_ic (null where it is not defined), symbols (with a score and a return)."""
    notes: tuple[str, ...] = ()
    """What of the tables was dropped, and dates on which nothing ranks."""

    @property
    def mean(self) -> float:
        """Mean rank IC."""
        return self.interval.mean

    @property
    def std_error(self) -> float:
        """Standard error of the mean, for returns that overlap; NaN for too few dates."""
        return self.interval.std_error

    @property
    def t(self) -> float:
        """The mean in standard errors."""
        return self.interval.t

    @property
    def icir(self) -> float:
        """Mean over the standard deviation of the dates, not annualised."""
        return self.interval.ratio

    @property
    def title(self) -> str:
        """What was measured, over which dates."""
        times = self.by_date["time"]
        return f"Rank IC, {self.horizon}-bar horizon, {times[0]:%Y-%m-%d} to {times[-1]:%Y-%m-%d}"

    def summary(self) -> pl.DataFrame:
        """The key figures as text."""
        found = self.interval
        rows = [
            ("mean rank IC", figure_text(found.mean, "{:+.4f}")),
            ("95% CI", f"{found.low:+.4f} to {found.high:+.4f}" if found.known else "not available: too few dates"),
            ("standard error", figure_text(found.std_error, "{:.4f}")),
            ("t", figure_text(found.t, "{:.2f}")),
            ("ICIR", figure_text(found.ratio, "{:+.2f} per date, not annualised")),
            ("dates", f"{found.dates:,}"),
            ("symbols per date", figure_text(self.by_date["symbols"].mean() or 0.0, "{:.1f} (mean)")),  # type: ignore[arg-type]
        ]
        return summary_table(rows, self.notes)

    def to_pandas(self) -> pd.DataFrame:
        """`by_date` as a pandas table."""
        return self.by_date.to_pandas()

    def plot(self) -> Chart:
        """The rank IC of each date, its moving mean, and the mean with its interval."""
        from kronos_quant.charts import rank_ic_figure

        values = self.by_date["rank_ic"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return rank_ic_figure(self.by_date["time"].to_list(), values, self.interval)


def rank_ic_table(
    scores: Table | PathLike, bars: Table, horizon: int = 5, *, score: str | None = None, exchange: str = ""
) -> RankICTable:
    """Rank IC of scores: on each date the rank correlation with the returns over the next `horizon` bars.

    Returns are close-to-close, from the bar of the score on; a symbol without either bar is left out.

    Parameters
    ----------
    scores
        A table, or a file: date (or asof), symbol and score; or a date and a column per symbol.
    bars
        A table of Polars, pandas or Arrow: date (or time), symbol and close, adjusted.
    horizon
        Bars ahead.
    score
        The column that ranks; None: `score`, or the only one of numbers.
    exchange
        ISO code of the symbols' exchange, where their spelling does not tell it.

    Raises
    ------
    ConfigError
        For a wrong horizon.
    DataError
        For tables that lack columns, closes that are not above 0, dates that do not overlap, and where no date has 3
        symbols with score and return.

    >>> closes = {"date": ["2025-06-02", "2025-06-03"], "A": [10.0, 11.0], "B": [10.0, 12.0], "C": [10.0, 13.0]}
    >>> bars = pl.DataFrame(closes).unpivot(index="date", variable_name="symbol", value_name="close")
    >>> scores = pl.DataFrame({"date": "2025-06-02", "symbol": ["A", "B", "C"], "score": [0.1, 0.3, 0.2]})
    >>> round(rank_ic_table(scores, bars, horizon=1).mean, 6)
    0.5
    """
    horizon = as_count(horizon, "horizon", most=MOST_BARS)
    closes = _read_closes(as_frame(bars, "bars"), exchange)
    prices = closes.ranked().rename({"score": "close"})
    symbols, times = prices["symbol"].unique().sort().to_list(), prices["time"].unique().sort()
    table = read_score_table(scores, symbols, exchange=exchange, freq="any", score=score)
    ranked = _place(table, times)
    rows = times.is_in(ranked["time"].unique().implode()).arg_true().to_numpy().astype(np.int64)
    if not len(rows):
        dates = table.frame["date"].sort()
        raise DataError(
            f"scores and bars have no date in common: scores from {dates[0]} to {dates[-1]}, "
            f"bars from {times[0]:%Y-%m-%d} to {times[-1]:%Y-%m-%d}"
        )
    given = to_matrix(ranked, "score", times.gather(rows).to_list(), symbols, key="time")
    returns = forward_returns(to_matrix(prices, "close", times.to_list(), symbols, key="time"), rows, horizon)
    counts = (np.isfinite(given) & np.isfinite(returns)).sum(axis=1)
    if counts.max() < FEWEST_PAIRS:
        raise DataError(
            f"rank IC needs at least {FEWEST_PAIRS} symbols per date with a score and a return over "
            f"{counted(horizon, 'bar')}, found at most {counts.max()}"
        )
    values = rank_ic(given, returns)
    ics = pl.Series(values).fill_nan(None)
    by_date = pl.DataFrame({"time": times.gather(rows), "rank_ic": ics, "symbols": counts})
    interval = mean_interval(values, overlapping_rows(rows, horizon))
    return RankICTable(horizon, interval, by_date, _notes(table, table.frame.height - ranked.height, closes))


def _notes(scores: ScoreTable, outside: int, closes: ScoreTable) -> tuple[str, ...]:
    notes = [f"scores: {note}" for note in replace(scores, no_session=outside).notes()]
    lost = f"bars: dropped: {counted(closes.not_finite, 'row')} without a finite close"
    return (*notes, *([lost] if closes.not_finite else []))


def _read_closes(frame: pl.DataFrame, exchange: str) -> ScoreTable:
    """The closes of a table of bars; raises DataError for one that is not above 0."""
    column = next((name for name in frame.columns if name.lower() in SYMBOL_NAMES), None)
    if column is None or "close" not in frame.columns:
        raise DataError(f"bars: expected date, symbol and close; its columns are {', '.join(frame.columns) or 'none'}")
    known = canonical_column(frame[column].cast(pl.String), exchange).unique()
    table = read_score_table(frame, known, exchange=exchange, freq="any", score="close", name="bars")
    wrong = table.frame.filter(pl.col("close") <= 0)
    if not wrong.is_empty():
        first = "{} on {:%Y-%m-%d}: {:g}".format(*wrong.select("symbol", "asof", "close").row(0))
        raise DataError(f"bars: close: expected prices above 0, found {counted(wrong.height, 'other')} ({first})")
    return table


def _place(table: ScoreTable, times: pl.Series) -> pl.DataFrame:
    """time, symbol and score of the scores at the bars' times; those of a session lie on its last bar."""
    ranked = table.ranked()
    daily = (times.dt.time() == time()).all()
    if not daily and not (ranked["time"].dt.time() == time()).all():
        return ranked.filter(pl.col("time").is_in(times.implode()))
    last = pl.DataFrame({"time": times}).group_by(date=pl.col("time").dt.date()).agg(pl.col("time").max())
    session = table.frame.select("date", "symbol", pl.col(table.score).alias("score"))
    return session.join(last, on="date", how="inner").select("time", "symbol", "score")
