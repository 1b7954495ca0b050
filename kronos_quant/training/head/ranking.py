"""Train the return head on the order of the training dates' returns; say whether it ranks better than the forecasts.

It stands on the predictor that was kept, whose weights it leaves alone: contexts are computed once. The last epoch is
the one kept, so that validation dates choose nothing and the comparison on them is fair.
Shapes: n windows, D dates.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from kronos_quant.arrays import IntArray
from kronos_quant.config import HeadConfig
from kronos_quant.errors import DataError
from kronos_quant.training.batches import CrossSections, TrainingData
from kronos_quant.training.batches.order import evenly
from kronos_quant.training.head.contexts import last_contexts
from kronos_quant.training.head.losses import LOSSES, date_ranks
from kronos_quant.training.head.network import RankHead
from kronos_quant.training.validation import Score, closes_ahead, mean_by_blocks, score_ranking
from kronos_quant.windows import WindowIndex

if TYPE_CHECKING:
    from kronos_quant.training.phases import Training

logger = logging.getLogger(__name__)

HEAD = "head"
"""Where the log has a phase, and the card a part: the return head."""
FEWEST_SYMBOLS = 10
"""Of a training date: the order of fewer teaches little."""
PHASE_KEY = 3
"""Keys the order of the dates, beside the keys of the other phases."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """Training windows with the ranks of their returns on their date."""

    contexts: Tensor  # float32[n, width]
    ranks: Tensor  # float32[n]
    dates: list[IntArray]  # D times the windows of a date


@dataclass(frozen=True, slots=True)
class TrainedHead:
    """A head, and what it is worth beside the decoded forecasts."""

    network: RankHead
    finding: dict[str, Any]


def train_head(training: Training, decoded: Score) -> TrainedHead:
    """Train `train.head` on the networks as they stand; decoded : their forecasts on the validation windows.

    Raises KeyboardInterrupt when the user wants to stop.
    """
    config, data, sections = training.job.train.head, training.data, training.data.decoded
    learnt, judged = (
        _ordered(training, *windows)
        for windows in (
            training_windows(data, config.dates, sections.index.predict),
            (sections.index, sections.date),
        )
    )
    network = RankHead(learnt.contexts, config.hidden, training.job.train.seed)
    for epoch, loss in enumerate(_epochs(network, learnt, config, training.job.train.seed), start=1):
        place = {"phase": HEAD, "epoch": epoch, "step": epoch * len(learnt.dates)}
        training.record.journal.row(place | {"split": "train", "loss": loss})
        with torch.no_grad():
            scores = network(judged.contexts).double().numpy()
            losses = [_loss(network, judged, windows, config).item() for windows in judged.dates]
        found = score_ranking(scores, training.decoded.came[:, -1], sections)
        training.record.journal.row(place | {"split": "val", "loss": float(np.mean(losses))} | found.figures)
        if training.ranks.any([training.stop.asked])[0]:
            raise KeyboardInterrupt
    finding = {"loss": config.loss, "hidden": config.hidden, "dates": len(learnt.dates)}
    finding |= compare_rankings(found, decoded, sections)
    logger.info("%s", finding["verdict"])
    return TrainedHead(network, finding)


def usable_dates(data: TrainingData) -> tuple[IntArray, IntArray]:
    """The number of each training window's date, and the numbers of the dates with FEWEST_SYMBOLS.

    Raises DataError where there is no such date.
    """
    _, at, counts = np.unique(data.table.time[data.train.anchor], return_inverse=True, return_counts=True)
    usable = np.flatnonzero(counts >= FEWEST_SYMBOLS)
    if not len(usable):
        raise DataError(
            f"train.head: needs training dates with {FEWEST_SYMBOLS} symbols, the most that one has is {counts.max()}",
            hint="it ranks symbols against each other: set train.head.epochs to 0",
        )
    return at, usable


def training_windows(data: TrainingData, dates: int, horizon: int) -> tuple[WindowIndex, IntArray]:
    """The windows of `dates` evenly spaced training dates, and the number of each window's date."""
    at, usable = usable_dates(data)
    kept = np.flatnonzero(np.isin(at, usable[evenly(len(usable), dates)]))
    return WindowIndex(data.train.lookback, horizon, data.train.anchor[kept]), at[kept]


def _ordered(training: Training, index: WindowIndex, date: IntArray) -> Ordered:
    closes = closes_ahead(training.data.table, index)
    returns = torch.from_numpy(closes[:, -1] / closes[:, 0] - 1)
    order = np.argsort(date, kind="stable")
    dates = np.split(order, np.flatnonzero(np.diff(date[order])) + 1)
    ranks = torch.empty(len(date))
    for windows in dates:
        ranks[windows] = date_ranks(returns[windows])
    return Ordered(last_contexts(training, index), ranks, dates)


def _loss(network: RankHead, ordered: Ordered, windows: IntArray, config: HeadConfig) -> Tensor:
    return LOSSES[config.loss](network(ordered.contexts[windows]), ordered.ranks[windows])


def _epochs(network: RankHead, ordered: Ordered, config: HeadConfig, seed: int) -> Iterator[float]:
    """The mean loss of each epoch; a step is a date."""
    adam = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    for epoch in range(1, config.epochs + 1):
        total = 0.0
        for number in np.random.default_rng((seed, PHASE_KEY, epoch)).permutation(len(ordered.dates)):
            loss = _loss(network, ordered, ordered.dates[number], config)
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
            total += loss.item()
        yield total / len(ordered.dates)


def compare_rankings(head: Score, decoded: Score, sections: CrossSections) -> dict[str, Any]:
    """Both rank ICs on the validation dates, and the difference date by date with its margin, in figures and words.

    A gain is a difference that lies above its 95 % interval.
    """
    ours, theirs = (np.array([np.nan if ic is None else ic for ic in one.rank_ics]) for one in (head, decoded))
    difference, width = mean_by_blocks(ours - theirs, sections)
    found: dict[str, Any] = {
        "rank_ic": head.figures["rank_ic"],
        "rank_ic_margin": head.figures["rank_ic_margin"],
        "decoded_rank_ic": decoded.figures["rank_ic"],
        "difference": difference,
        "difference_margin": width,
        "gain": difference is not None and width is not None and difference > width,
    }
    if difference is None or width is None:
        return found | {"verdict": "return head: no gain to be told: too few dates with symbols to rank"}
    told = "a gain" if found["gain"] else "no gain that is told from chance"
    return found | {
        "verdict": f"return head: rank IC {found['rank_ic']:+.4f}, decoded forecasts {found['decoded_rank_ic']:+.4f}: "
        f"{told} ({difference:+.4f} ± {width:.4f})"
    }
