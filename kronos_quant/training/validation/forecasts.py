"""Validation windows forecast and decoded, as a signal would be, and set beside what came.

Sampled with the defaults of a recipe (temperature 1, nucleus 0.9, returns over the decoded last close), in float32,
with streams of random numbers of its own: nothing here touches those of the training, and the figures do not depend
on ranks or batches.
Shapes: n windows, S paths, H bars.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from kronos_quant import schema
from kronos_quant.arrays import FloatArray
from kronos_quant.errors import DataError
from kronos_quant.model import LEAST_PRICE_SHARE, Kronos, KronosTokenizer, PathSampler, series_seed
from kronos_quant.training.batches import TrainingData
from kronos_quant.training.processes import Halted, Ranks
from kronos_quant.training.validation.figures import FEWEST_SYMBOLS, Score, score_forecast
from kronos_quant.windows import BarTable, WindowIndex, denormalise, gather

CLOSE = schema.FEATURES.index("close")
SEED = 0
"""Of the paths: the same for every epoch and every training."""
CHUNK_ON_CPU, CHUNK_ELSEWHERE = 64, 256
"""Windows between two looks at whether the user wants to stop: the most that the forecaster runs at once."""


class DecodedValidation:
    """Forecasts the windows of `data.decoded` with whatever networks it is given.

    samples : paths a window; their mean is the forecast. halted : whether the user wants to stop.
    """

    def __init__(
        self, data: TrainingData, samples: int, max_context: int, ranks: Ranks, halted: Callable[[], bool]
    ) -> None:
        self.data, self.samples, self.max_context, self.ranks, self.halted = data, samples, max_context, ranks, halted
        self.sections = data.decoded
        self.came = self._realised()
        self.last_close = score_forecast(np.zeros_like(self.came), self.came, self.sections)
        """That the price stays where it is: a random walk's forecast."""

    def score(self, tokenizer: KronosTokenizer, predictor: Kronos) -> Score:
        """The figures of the networks, with those of the last close beside them; every rank forecasts a share.

        Raises Halted when the user wants to stop and no other rank waits.
        """
        sampler = PathSampler(tokenizer, predictor, self.max_context, self.data.clip, str(self.ranks.device))
        said = np.zeros_like(self.came)
        for which in self._shares():
            said[which] = self._forecast(sampler, which)
        # every window is 0 on all ranks but one
        whole = self.ranks.total(torch.from_numpy(said)).numpy()
        found = score_forecast(whole, self.came, self.sections)
        beside = {f"naive_{name}": self.last_close.figures[name] for name in ("mae", "mse", "r2")}
        return found.model_copy(update={"figures": found.figures | beside})

    def check(self, choose_by: str) -> None:
        """Raise DataError when these windows have no such figure, whatever the forecast."""
        if choose_by == "rank_ic" and self.sections.most_symbols < FEWEST_SYMBOLS:
            raise DataError(
                f"train.choose_by: rank_ic needs dates with {FEWEST_SYMBOLS} symbols, and no validation date has more "
                f"than {self.sections.most_symbols}",
                hint="set train.choose_by to correlation, or to an error: mae, mse or r2",
            )
        if choose_by in ("correlation", "r2") and len(self.sections) < 2:
            raise DataError(f"train.choose_by: {choose_by} needs two validation windows, and there is one")

    def _shares(self) -> Iterator[NDArray[np.int64]]:
        mine = np.arange(self.ranks.rank, len(self.sections), self.ranks.world)
        size = CHUNK_ON_CPU if self.ranks.device.type == "cpu" else CHUNK_ELSEWHERE
        for begin in range(0, len(mine), size):
            if self.ranks.world == 1 and self.halted():
                raise Halted
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
        floor = self._closes(which)[:, 0] * LEAST_PRICE_SHARE
        close = np.maximum(denormalise(forecast.paths, windows.scale)[..., CLOSE], floor[:, None, None])
        base = np.maximum(denormalise(forecast.last[:, None], windows.scale)[:, 0, CLOSE], floor)
        returns: FloatArray = (close / base[:, None, None] - 1).mean(axis=1)
        return returns

    def _realised(self) -> FloatArray:
        close = self._closes(np.arange(len(self.sections)))
        returns: FloatArray = close[:, 1:] / close[:, :1] - 1
        return returns

    def _closes(self, which: NDArray[np.int64]) -> FloatArray:
        """float64[n, 1 + H]: the close of the last bar known and of those to come."""
        index = self.sections.index
        return closes_ahead(self.data.table, WindowIndex(index.lookback, index.predict, index.anchor[which]))


def closes_ahead(table: BarTable, index: WindowIndex) -> FloatArray:
    """float64[n, 1 + H]: the close of each window's last bar known and of those to come."""
    rows = index.anchor[:, None] + np.arange(index.predict + 1)
    closes: FloatArray = table.values[rows, CLOSE].astype(np.float64)
    return closes
