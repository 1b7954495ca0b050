"""Causal steps from a raw score to the one that ranks; each is named in the recipe and applied when reading.

NaN is no opinion: it stays NaN and counts for nothing. Shapes: T moments, N symbols, K exposures, G groups.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator
from scipy.stats import rankdata

from kronos_quant.arrays import FloatArray, IntArray
from kronos_quant.bounds import SessionCount
from kronos_quant.config import Section
from kronos_quant.errors import DataError
from kronos_quant.market import Market
from kronos_quant.panel.factors import style_exposures, style_history
from kronos_quant.panel.matrix import daily_matrices, interval_groups, standard_scores

Exposure = Literal["volatility", "momentum", "size", "industry"]


class Winsorise(Section):
    """Limit the extreme scores of each date to its quantiles."""

    units: ClassVar = {"fraction of the symbols": "limit"}

    step: Literal["winsorise"] = Field(description="name of the step: winsorise")
    limit: float = Field(0.01, gt=0, lt=0.5, description="share of the symbols at each end that is limited")


class ZScore(Section):
    """Score minus the date's mean, divided by its standard deviation."""

    step: Literal["zscore"] = Field(description="name of the step: zscore")


class Rank(Section):
    """Rank among the date's symbols, from -0.5 to 0.5."""

    step: Literal["rank"] = Field(description="name of the step: rank")


class Neutralise(Section):
    """Residual of a regression on the exposures, date by date."""

    units: ClassVar = {"sessions": "sessions"}

    step: Literal["neutralise"] = Field(description="name of the step: neutralise")
    exposures: tuple[Exposure, ...] = Field(("volatility", "momentum"), min_length=1, description="what to remove")
    sessions: SessionCount = Field(
        20, ge=2, description="sessions that volatility and size are measured over; momentum is t-120 to t-20"
    )

    @field_validator("exposures")
    @classmethod
    def _each_once(cls, value: tuple[Exposure, ...]) -> tuple[Exposure, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"each exposure once, found {', '.join(value)}")
        return value


class Smooth(Section):
    """Mean of the score over the last sessions."""

    units: ClassVar = {"sessions": "sessions"}

    step: Literal["smooth"] = Field(description="name of the step: smooth")
    sessions: SessionCount = Field(3, ge=2, description="sessions averaged, including the score's own")


Step = Annotated[Winsorise | ZScore | Rank | Neutralise | Smooth, Field(discriminator="step")]


def apply_steps(
    scores: FloatArray, steps: Sequence[Step], session: IntArray, exposures: Callable[[], ScoreExposures]
) -> FloatArray:
    """float64[T, N]: the scores after the steps, in their order.

    session : int64[T], ascending place of each moment's session in the calendar. exposures : gives those of the same
    moments and symbols; called only where a step neutralises.
    """
    measured: ScoreExposures | None = None
    for step in steps:
        if isinstance(step, Winsorise):
            scores = winsorise(scores, step.limit)
        elif isinstance(step, Rank):
            scores = rank(scores)
        elif isinstance(step, Smooth):
            scores = smooth(scores, session, step.sessions)
        elif isinstance(step, Neutralise):
            measured = measured or exposures()
            columns = [measured.style(name, step.sessions) for name in step.exposures if name != "industry"]
            wide = np.stack(columns, axis=2) if columns else np.empty((*scores.shape, 0))
            scores = neutralise(scores, wide, measured.industries() if "industry" in step.exposures else None)
        else:
            scores = standard_scores(scores)
    return scores


def history_needed(steps: Sequence[Step]) -> int:
    """Sessions before a date whose scores its own ones need."""
    return sum(step.sessions - 1 for step in steps if isinstance(step, Smooth))


def winsorise(scores: FloatArray, limit: float) -> FloatArray:
    """float64[T, N]: the scores, none beyond its date's `limit` and `1 - limit` quantile."""
    clipped = scores.copy()
    for t in np.flatnonzero(np.isfinite(scores).any(axis=1)):
        low, high = np.nanquantile(scores[t], (limit, 1 - limit))
        clipped[t] = np.clip(scores[t], low, high)
    return clipped


def rank(scores: FloatArray) -> FloatArray:
    """float64[T, N]: the share of the date's symbols below, ties sharing their mean place, in [-0.5, 0.5].

    >>> rank(np.array([[10.0, 20.0, np.nan]])).tolist()
    [[-0.25, 0.25, nan]]
    """
    count = np.maximum(np.isfinite(scores).sum(axis=1, keepdims=True), 1)
    places = rankdata(scores, axis=1, nan_policy="omit")
    ranked: FloatArray = (places - 0.5) / count - 0.5
    return ranked


def smooth(scores: FloatArray, session: IntArray, sessions: int) -> FloatArray:
    """float64[T, N]: the mean of the scores of a moment and those before it of the last `sessions` sessions.

    A moment's NaN stays NaN, an earlier one is left out of the mean. session : as of `apply_steps`
    """
    known = np.isfinite(scores)
    means = np.full_like(scores, np.nan)
    for t, start in enumerate(np.searchsorted(session, session - sessions, side="right")):
        there = known[start : t + 1]
        total = np.where(there, scores[start : t + 1], 0).sum(axis=0)
        means[t] = np.where(known[t], total / np.maximum(there.sum(axis=0), 1), np.nan)
    return means


def neutralise(scores: FloatArray, exposures: FloatArray, groups: IntArray | None = None) -> FloatArray:
    """float64[T, N]: the residual of each date's scores on a constant, the exposures and the groups.

    A symbol without one of the exposures has no opinion. A date with no more symbols than regressors leaves no
    residual: its scores are NaN, rather than rounding noise that would be ranked. exposures : float64[T, N, K];
    groups : int64[T, N], such as industries, one constant each; None: one for all.
    """
    residual = np.full_like(scores, np.nan)
    usable = np.isfinite(scores) & np.isfinite(exposures).all(axis=2)
    for t in range(len(scores)):
        rows = np.flatnonzero(usable[t])
        if not len(rows):
            continue
        group = np.zeros(len(rows)) if groups is None else groups[t, rows]
        constants = (group[:, None] == np.unique(group)).astype(np.float64)  # a column a group
        known = exposures[t, rows]
        spread = known.std(axis=0)
        varying = spread > 0
        design = np.hstack([constants, (known[:, varying] - known[:, varying].mean(axis=0)) / spread[varying]])
        if len(rows) <= design.shape[1]:
            continue
        coefficients = np.linalg.lstsq(design, scores[t, rows])[0]
        residual[t, rows] = scores[t, rows] - design @ coefficients
    return residual


class ScoreExposures:
    """Measures what scores may be exposed to, for symbols at moments of a market, on bars up to each moment.

    dates : the session of each moment, ascending. at_close : whether it has ended by then; of one that goes on nothing
    is known here, and the sessions before it are measured.
    The styles are those of `panel.factors`: momentum is the return from 120 to 20 bars ago, volatility and size are
    those of the last `sessions` bars. NaN where a symbol has too few bars.
    """

    def __init__(self, market: Market, dates: Sequence[date], symbols: Sequence[str], *, at_close: bool = True) -> None:
        self.market, self.dates, self.symbols = market, list(dates), list(symbols)
        self._calendar = market.sessions()
        self._unended = 0 if at_close else 1
        self._styles: dict[int, dict[str, FloatArray]] = {}

    def style(self, name: str, sessions: int) -> FloatArray:
        """float64[T, N] of momentum, volatility or size."""
        if sessions not in self._styles:
            start, close, amount = self._bars(style_history(sessions))
            calendar = {on: place for place, on in enumerate(self._calendar)}
            ended = np.array([calendar[on] - start - self._unended for on in self.dates])
            styles = style_exposures(close, amount, window=sessions)
            self._styles[sessions] = {
                style: np.where(ended[:, None] >= 0, values[np.maximum(ended, 0)], np.nan)
                for style, values in styles.items()
            }
        return self._styles[sessions][name]

    def industries(self) -> IntArray:
        """int64[T, N]: the number of each symbol's industry on each date, -1 without one.

        Raises DataError where no industries were ingested, or a symbol is in two at once.
        """
        spans = self.market.intervals("industry")
        if spans.is_empty():
            raise DataError(
                "neutralise: industry: the market has no industries", hint="kq ingest intervals industry FILE"
            )
        return interval_groups(spans, self.dates, self.symbols)[1]

    def _bars(self, history: int) -> tuple[int, FloatArray, FloatArray]:
        """The place in the calendar where they begin, and closes and amounts, float64[sessions in between, N]."""
        start = max(self._calendar.index(self.dates[0]) - history - self._unended, 0)
        days = self._calendar[start : self._calendar.index(self.dates[-1]) + 1]
        bars = self.market.select_bars(self.symbols, start=days[0], end=days[-1])
        close, amount = daily_matrices(bars, days, self.symbols)
        return start, close, amount
