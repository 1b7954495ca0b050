"""The figures of decoded forecasts, as returns over the last close; defined as `evaluation` defines them.

Errors and R2 are over every bar of a path, correlation, direction and rank IC over its last one, where a signal looks.
Shapes: n windows, H bars, D dates.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy import stats

from kronos_quant.arrays import FloatArray, IntArray
from kronos_quant.training.batches.cross_sections import CrossSections

Figures = dict[str, float | None]
"""None where a figure does not exist."""

FEWEST_SYMBOLS = 3
"""A ranking of fewer is none."""
CONFIDENCE = 0.95
HIGHER_IS_BETTER = ("r2", "correlation", "direction", "rank_ic")
IN_THE_LOG = {"token_loss": "loss", "reconstruction": "recon"}
"""What a figure to choose by is called in the log, where it has another name there."""


class Score(BaseModel):
    """The figures of one validation.

    errors : mean squared error of each block of dates (see `CrossSections`), none where a forecast is not a number.
    rank_ics : of each date, None where it has too few symbols or nothing differs
    """

    model_config = ConfigDict(extra="forbid")

    figures: Figures
    errors: list[float] = []
    rank_ics: list[float | None] = []

    @property
    def loss(self) -> float:
        """What the phase minimises, on all validation windows; NaN where it is not a number."""
        found = self.figures["loss"]
        return math.nan if found is None else found

    def of(self, choose_by: str) -> float | None:
        """The figure that the epoch to keep is chosen by."""
        return self.figures[IN_THE_LOG.get(choose_by, choose_by)]

    def better_than(self, other: Score, choose_by: str) -> bool:
        """Whether that figure is better than another's; one that does not exist is never better."""
        ours, theirs = self.of(choose_by), other.of(choose_by)
        if ours is None or not math.isfinite(ours):
            return False
        if theirs is None or not math.isfinite(theirs):
            return True
        return ours > theirs if choose_by in HIGHER_IS_BETTER else ours < theirs


def score_forecast(said: FloatArray, came: FloatArray, sections: CrossSections) -> Score:
    """Compare forecast returns with those that came, float64[n, H] each.

    mae, mse : of fractions. r2 : 1 - mse over the variance of what came. direction : share of equal signs, where
    neither is 0. rank_ic : mean over the dates with enough symbols of Spearman's correlation; rank_ic_margin : half of
    its 95 % interval, blocks of dates taken to be independent.
    """
    squared = (came - said) ** 2
    last, outcome = said[:, -1], came[:, -1]
    signed = (last != 0) & (outcome != 0)
    ranking = score_ranking(last, outcome, sections)
    found = {
        "mae": np.abs(came - said).mean(),
        "mse": squared.mean(),
        "r2": 1 - squared.mean() / came.var() if came.var() > 0 else None,
        "correlation": _correlation(last, outcome),
        "direction": (1 + (np.sign(last) * np.sign(outcome))[signed].mean()) / 2 if signed.any() else None,
    }
    errors = block_means(squared.mean(axis=1), sections.block)
    finite = {name: None if value is None or not np.isfinite(value) else float(value) for name, value in found.items()}
    return Score(
        figures=finite | ranking.figures,
        errors=errors.tolist() if np.isfinite(errors).all() else [],
        rank_ics=ranking.rank_ics,
    )


def score_ranking(said: FloatArray, came: FloatArray, sections: CrossSections) -> Score:
    """What of `score_forecast` is about the order alone; said, came : float64[n], of any unit."""
    by_date = rank_ics(said, came, sections.date)
    found = mean_by_blocks(by_date, sections)
    return Score(
        figures={"rank_ic": found[0], "rank_ic_margin": found[1]},
        rank_ics=[float(value) if np.isfinite(value) else None for value in by_date],
    )


def mean_by_blocks(by_date: FloatArray, sections: CrossSections) -> tuple[float | None, float | None]:
    """The mean of what dates have, float64[D] with NaN where one has nothing, and its margin over blocks of them."""
    there = np.isfinite(by_date)
    if not there.any():
        return None, None
    blocks = sections.block[_first_windows(sections.date)][there]
    return float(by_date[there].mean()), margin(block_means(by_date[there], blocks))


def rank_ics(said: FloatArray, came: FloatArray, date: IntArray) -> FloatArray:
    """Spearman's correlation on each date, float64[D]: NaN with too few symbols and where one side is constant.

    said, came : float64[n]; date : int64[n], from 0 and ascending
    """
    parts = np.split(np.arange(len(date)), _first_windows(date)[1:])
    found = [
        _correlation(stats.rankdata(said[part]), stats.rankdata(came[part])) if len(part) >= FEWEST_SYMBOLS else None
        for part in parts
    ]
    return np.array([np.nan if value is None else value for value in found])


def block_means(values: FloatArray, block: IntArray) -> FloatArray:
    """The mean of the values of each block that has any."""
    _, number = np.unique(block, return_inverse=True)
    means: FloatArray = np.bincount(number, weights=values) / np.maximum(np.bincount(number), 1)
    return means


def margin(values: FloatArray) -> float | None:
    """Half of the 95 % interval (Student's t) of the mean of independent values; None of fewer than two."""
    if len(values) < 2:
        return None
    return float(stats.sem(values) * stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1))


def _first_windows(date: IntArray) -> NDArray[Any]:
    return np.unique(date, return_index=True)[1]


def _correlation(a: FloatArray, b: FloatArray) -> float | None:
    varied = len(a) > 1 and a.max() > a.min() and b.max() > b.min()
    return float(np.corrcoef(a, b)[0, 1]) if varied else None
