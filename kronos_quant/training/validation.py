"""The validation of an epoch: forecasts of validation windows compared with the outcomes and the last close.

Windows are forecast as a signal would be, with the defaults of a recipe (temperature 1, top-p 0.9, returns over the
decoded last close), in float32, with random streams of their own: nothing here touches those of the training, and the
figures do not depend on ranks or batches. Errors and R2 are over every bar of a path; correlation, direction and rank
IC at its last bar, where a signal looks; all are of returns over the last close, defined as in `evaluation`.
Shapes: n windows, S paths, H bars, D dates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from kronos_quant import schema
from kronos_quant.arrays import FloatArray, IntArray
from kronos_quant.errors import DataError
from kronos_quant.model import LEAST_PRICE_SHARE, Kronos, KronosTokenizer, PathSampler, series_seed
from kronos_quant.stats.correlation import FEWEST_PAIRS, correlation, rank_ic_by_group
from kronos_quant.stats.intervals import independent_interval
from kronos_quant.training.batches.data import CrossSections, TrainingData
from kronos_quant.training.processes import Ranks, ValidationStopped
from kronos_quant.windows import BarTable, WindowIndex, denormalise, gather

Figures = dict[str, float | None]
"""None where a figure does not exist."""

HIGHER_IS_BETTER = ("r2", "correlation", "direction", "rank_ic")
LOG_NAMES = {"token_loss": "loss", "reconstruction": "recon"}
"""Names in the log of the figures to choose by, where they differ."""
FORMATS = {
    "mae": ("MAE", "{:.3%}"),
    "mse": ("MSE", "{:.3e}"),
    "r2": ("R2", "{:+.4f}"),
    "correlation": ("correlation", "{:+.4f}"),
    "direction": ("direction", "{:.1%}"),
    "rank_ic": ("rank IC", "{:+.4f}"),
}
"""Figure -> its heading and its format."""
CLOSE = schema.FEATURES.index("close")
SEED = 0
"""Seed of the paths: the same for every epoch and every training."""
CHUNK_ON_CPU, CHUNK_ELSEWHERE = 64, 256
"""Windows between two looks at whether the user wants to stop: the most that the forecaster runs at once."""


class ValidationScore(BaseModel):
    """The figures of one validation.

    errors : mean squared error of each block of dates (see `CrossSections`), none where a forecast is not a number.
    rank_ics : of each date, None where it has too few symbols or all scores or returns are equal
    """

    model_config = ConfigDict(extra="forbid")

    figures: Figures
    errors: list[float] = []
    rank_ics: list[float | None] = []

    @property
    def loss(self) -> float:
        """The loss that the phase minimises, over all validation windows; NaN where it is not a number."""
        loss = self.figures["loss"]
        return math.nan if loss is None else loss

    def figure(self, choose_by: str) -> float | None:
        """The figure by which the best epoch is chosen."""
        return self.figures[LOG_NAMES.get(choose_by, choose_by)]

    def better_than(self, other: ValidationScore, choose_by: str) -> bool:
        """Whether that figure is better than another's; one that does not exist is never better."""
        ours, theirs = self.figure(choose_by), other.figure(choose_by)
        if ours is None or not math.isfinite(ours):
            return False
        if theirs is None or not math.isfinite(theirs):
            return True
        return ours > theirs if choose_by in HIGHER_IS_BETTER else ours < theirs


def score_forecast(forecast: FloatArray, realised: FloatArray, sections: CrossSections) -> ValidationScore:
    """Compare forecast with realised returns, float64[n, H] each.

    mae, mse : of fractions. r2 : 1 - mse over the variance of the realised returns. direction : share of equal signs,
    where neither is 0. rank_ic : mean over the dates with enough symbols of Spearman's correlation; rank_ic_margin :
    half width of its 95% interval, blocks of dates assumed independent.
    """
    squared = (realised - forecast) ** 2
    last, outcome = forecast[:, -1], realised[:, -1]
    signed = (last != 0) & (outcome != 0)
    ranking = score_ranking(last, outcome, sections)
    figures = {
        "mae": np.abs(realised - forecast).mean(),
        "mse": squared.mean(),
        "r2": 1 - squared.mean() / realised.var() if realised.var() > 0 else None,
        "correlation": correlation(last, outcome),
        "direction": (1 + (np.sign(last) * np.sign(outcome))[signed].mean()) / 2 if signed.any() else None,
    }
    errors = block_means(squared.mean(axis=1), sections.block)
    finite = {
        name: None if value is None or not np.isfinite(value) else float(value) for name, value in figures.items()
    }
    return ValidationScore(
        figures=finite | ranking.figures,
        errors=errors.tolist() if np.isfinite(errors).all() else [],
        rank_ics=ranking.rank_ics,
    )


def score_ranking(scores: FloatArray, realised: FloatArray, sections: CrossSections) -> ValidationScore:
    """The part of `score_forecast` that concerns the order; scores, realised : float64[n], of any unit."""
    by_date = rank_ic_by_group(scores, realised, sections.date)
    mean, margin = mean_by_blocks(by_date, sections)
    return ValidationScore(
        figures={"rank_ic": mean, "rank_ic_margin": margin},
        rank_ics=[float(value) if np.isfinite(value) else None for value in by_date],
    )


def mean_by_blocks(by_date: FloatArray, sections: CrossSections) -> tuple[float | None, float | None]:
    """The mean of one value per date, float64[D] with NaN where there is none, and its margin over blocks of dates."""
    finite = np.isfinite(by_date)
    if not finite.any():
        return None, None
    blocks = sections.block[np.unique(sections.date, return_index=True)[1]][finite]
    return float(by_date[finite].mean()), margin_of_mean(block_means(by_date[finite], blocks))


def block_means(values: FloatArray, block: IntArray) -> FloatArray:
    """The mean of the values of each block that has any."""
    _, number = np.unique(block, return_inverse=True)
    return np.bincount(number, weights=values) / np.maximum(np.bincount(number), 1)


def margin_of_mean(values: FloatArray) -> float | None:
    """Half width of the 95% interval (Student's t) of the mean of independent values; None of fewer than two."""
    interval = independent_interval(values)
    return interval.margin if interval.known else None


def figure_cell(name: str, value: float | None) -> str:
    """A figure as text, `-` where it does not exist."""
    return "-" if value is None else FORMATS[name][1].format(value)


def forecast_summary(figures: Figures) -> str:
    """The figures of the validation forecasts for a line of the log; empty where there are none."""
    if figures.get("mae") is None:
        return ""
    order = "correlation" if figures["rank_ic"] is None else "rank_ic"
    return (
        f"; forecasts: MAE {figure_cell('mae', figures['mae'])} (last close "
        f"{figure_cell('mae', figures['naive_mae'])}), {FORMATS[order][0]} {figure_cell(order, figures[order])}"
    )


class ForecastValidation:
    """Forecasts the windows of `data.decoded` with the networks it is given.

    samples : paths per window; their mean is the forecast. stopped : whether the user has requested a stop.
    """

    def __init__(
        self, data: TrainingData, samples: int, max_context: int, ranks: Ranks, stopped: Callable[[], bool]
    ) -> None:
        self.data, self.samples, self.max_context, self.ranks, self.stopped = data, samples, max_context, ranks, stopped
        self.sections = data.decoded
        self.closes = window_closes(data.table, data.decoded.index)
        self.realised: FloatArray = self.closes[:, 1:] / self.closes[:, :1] - 1
        self.last_close = score_forecast(np.zeros_like(self.realised), self.realised, self.sections)
        """The forecast of a random walk: the price stays at its last close."""

    def score(self, tokenizer: KronosTokenizer, predictor: Kronos) -> ValidationScore:
        """The figures of the networks, with those of the last close; every rank forecasts a share.

        Raises ValidationStopped when the user requested a stop and no other rank waits.
        """
        sampler = PathSampler(tokenizer, predictor, self.max_context, self.data.clip, str(self.ranks.device))
        mine = np.zeros_like(self.realised)
        for which in self._shares():
            mine[which] = self._forecast(sampler, which)
        # every window is 0 on all ranks but one
        forecast = self.ranks.total(torch.from_numpy(mine)).numpy()
        score = score_forecast(forecast, self.realised, self.sections)
        naive = {f"naive_{name}": self.last_close.figures[name] for name in ("mae", "mse", "r2")}
        return score.model_copy(update={"figures": score.figures | naive})

    def check(self, choose_by: str) -> None:
        """Raise DataError when these windows have no such figure, whatever the forecast."""
        if choose_by == "rank_ic" and self.sections.most_symbols < FEWEST_PAIRS:
            raise DataError(
                f"train.choose_by: rank_ic needs dates with {FEWEST_PAIRS} symbols, and no validation date has more "
                f"than {self.sections.most_symbols}",
                hint="set train.choose_by to correlation, or to an error: mae, mse or r2",
            )
        if choose_by in ("correlation", "r2") and len(self.sections) < 2:
            raise DataError(f"train.choose_by: {choose_by} needs two validation windows, and there is one")

    def _shares(self) -> Iterator[NDArray[np.int64]]:
        mine = np.arange(self.ranks.rank, len(self.sections), self.ranks.world)
        size = CHUNK_ON_CPU if self.ranks.device.type == "cpu" else CHUNK_ELSEWHERE
        for begin in range(0, len(mine), size):
            if self.ranks.world == 1 and self.stopped():
                raise ValidationStopped
            yield mine[begin : begin + size]

    def _forecast(self, sampler: PathSampler, which: NDArray[np.int64]) -> FloatArray:
        """float64[n, H]: returns of the mean path over the last close as the tokenizer decodes it."""
        L = self.sections.index.lookback
        windows = gather(self.data.table, self.sections.index, which, self.data.clip)
        keys = zip(windows.symbol, windows.asof.tolist(), strict=True)
        forecast = sampler.sample(
            windows.values[:, :L],
            windows.stamp[:, :L],
            windows.stamp[:, L:],
            self.samples,
            seeds=np.array([series_seed(SEED, symbol, asof) for symbol, asof in keys]),
        )
        floor = self.closes[which, 0] * LEAST_PRICE_SHARE
        close = np.maximum(denormalise(forecast.paths, windows.scale)[..., CLOSE], floor[:, None, None])
        base = np.maximum(denormalise(forecast.last[:, None], windows.scale)[:, 0, CLOSE], floor)
        values: FloatArray = (close / base[:, None, None] - 1).mean(axis=1)
        return values


def window_closes(table: BarTable, index: WindowIndex) -> FloatArray:
    """float64[n, 1 + H]: the close of each window's last bar known and of the bars after it."""
    rows = index.anchor[:, None] + np.arange(index.predict + 1)
    values: FloatArray = table.values[rows, CLOSE].astype(np.float64)
    return values
