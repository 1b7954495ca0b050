"""The return head: a small network on the predictor's context, trained on the order of each date's returns.

It uses the predictor that was kept, whose weights it leaves unchanged: contexts are computed once, in chunks of one
size and in the order of the windows, so that a window's numbers depend on nothing but itself. The last epoch is kept,
so that validation dates select nothing and the comparison on them is fair.
Shapes: n windows, L lookback, D width of the predictor, N symbols of a date.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import softplus

from kronos_quant.arrays import IntArray
from kronos_quant.config import HeadConfig
from kronos_quant.display import progress
from kronos_quant.errors import DataError
from kronos_quant.files import write_aside, write_json
from kronos_quant.model.card import HeadFigures
from kronos_quant.schema import check_table
from kronos_quant.training.batches.data import CrossSections, TrainingData, evenly_spaced
from kronos_quant.training.validation import ValidationScore, mean_by_blocks, score_ranking, window_closes
from kronos_quant.windows import WindowIndex, gather_arrays

if TYPE_CHECKING:
    from kronos_quant.training.phases import Training

logger = logging.getLogger(__name__)

HEAD = "head"
"""The head's phase in the log, and its part of the card."""
SCORES_FILE = "head_scores.parquet"
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
FEWEST_SYMBOLS = 10
"""Symbols of a training date: the order of fewer teaches little."""
SHARPNESS = 4.0
"""Sharpness of the listwise target: the best of a date weighs e^4 times as much as the worst."""
LEAST_STD = 1e-6
"""Lower bound of the standard deviation by which a context's columns are divided."""
PHASE_KEY = 3
"""Key of the order of the dates, next to those of the other phases."""
CHUNK = 64


def date_ranks(returns: Tensor) -> Tensor:
    """The ranks of float[N] returns, float32 from -0.5 to 0.5; equal returns share their mean rank."""
    below = (returns[:, None] > returns).float().sum(1)
    equal = (returns[:, None] == returns).float().sum(1)
    return (below + equal / 2) / len(returns) - 0.5


def listwise(scores: Tensor, ranks: Tensor) -> Tensor:
    """Cross entropy of the scores' softmax with that of the ranks (ListNet, Cao et al. 2007); scalar."""
    return -(torch.softmax(SHARPNESS * ranks, 0) * torch.log_softmax(scores, 0)).sum()


def pairwise(scores: Tensor, ranks: Tensor) -> Tensor:
    """Logistic loss of every pair, weighted by the distance of its ranks (RankNet, Burges et al. 2005); scalar."""
    ahead = ranks[:, None] - ranks
    return (softplus(-(scores[:, None] - scores) * ahead.sign()) * ahead.abs()).mean()


LOSSES = {"listwise": listwise, "pairwise": pairwise}


class RankHead(nn.Module):
    """A linear map of the standardised context, or one hidden layer of `hidden` units.

    contexts : float32[n, D], whose mean and deviation standardise. seed : of the first weights
    """

    mean: Tensor
    std: Tensor

    def __init__(self, contexts: Tensor, hidden: int, seed: int) -> None:
        super().__init__()
        self.hidden, width = hidden, contexts.shape[1]
        self.register_buffer("mean", contexts.mean(0))
        self.register_buffer("std", contexts.std(0).clamp(min=LEAST_STD))
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            parts = (nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, 1)) if hidden else (nn.Linear(width, 1),)
            self.layers = nn.Sequential(*parts)

    def forward(self, contexts: Tensor) -> Tensor:
        """Contexts float32[n, D] -> scores float32[n]; only their order means something."""
        out: Tensor = self.layers((contexts - self.mean) / self.std)[:, 0]
        return out

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors into `folder`, each whole."""
        write_json(folder / CONFIG_FILE, {"d_model": len(self.mean), "hidden": self.hidden})
        with write_aside(folder / WEIGHTS_FILE) as partial:
            save_file(self.state_dict(), partial, metadata={"format": "pt"})


@dataclass(frozen=True, slots=True)
class RankedReturns:
    """Windows with the ranks of their returns on their date."""

    contexts: Tensor  # float32[n, width]
    ranks: Tensor  # float32[n]
    dates: list[IntArray]  # for each date its windows


def train_head(training: Training, forecasts: ValidationScore) -> tuple[RankHead, HeadFigures]:
    """Train `train.head` on the networks as they are, and compare its ranking with that of their validation forecasts.

    Raises KeyboardInterrupt when the user requested a stop.
    """
    config, data, sections = training.job.train.head, training.data, training.data.decoded
    train, val = (
        _ranked_returns(training, *windows)
        for windows in (training_windows(data, config.dates, sections.index.predict), (sections.index, sections.date))
    )
    network = RankHead(train.contexts, config.hidden, training.job.train.seed)
    for epoch, loss in enumerate(_epochs(network, train, config, training.job.train.seed), start=1):
        place = {"phase": HEAD, "epoch": epoch, "step": epoch * len(train.dates)}
        training.files.log.append(place | {"split": "train", "loss": loss})
        with torch.no_grad():
            scores = network(val.contexts).double().numpy()
            losses = [_loss(network, val, windows, config).item() for windows in val.dates]
        ranking = score_ranking(scores, training.validation.realised[:, -1], sections)
        training.files.log.append(place | {"split": "val", "loss": float(np.mean(losses))} | ranking.figures)
        if training.ranks.any([training.stop.requested])[0]:
            raise KeyboardInterrupt
    figures = compare_rankings(ranking, forecasts, sections, config, len(train.dates))
    logger.info("%s", figures.verdict)
    return network, figures


def usable_dates(data: TrainingData) -> tuple[IntArray, IntArray]:
    """The number of each training window's date, and the numbers of the dates with FEWEST_SYMBOLS.

    Raises DataError where there is no such date.
    """
    _, at, counts = np.unique(data.table.time[data.train.anchor], return_inverse=True, return_counts=True)
    usable = np.flatnonzero(counts >= FEWEST_SYMBOLS)
    if not len(usable):
        raise DataError(
            f"train.head: needs training dates with at least {FEWEST_SYMBOLS} symbols; the largest has {counts.max()}",
            hint="the head ranks symbols against each other: set train.head.epochs to 0",
        )
    return at, usable


def training_windows(data: TrainingData, dates: int, horizon: int) -> tuple[WindowIndex, IntArray]:
    """The windows of `dates` evenly spaced training dates, and the number of each window's date."""
    at, usable = usable_dates(data)
    kept = np.flatnonzero(np.isin(at, usable[evenly_spaced(len(usable), dates)]))
    return WindowIndex(data.train.lookback, horizon, data.train.anchor[kept]), at[kept]


@torch.no_grad()
def last_contexts(training: Training, index: WindowIndex) -> Tensor:
    """The predictor's context of the last bar seen, float32[n, D] on the CPU; each rank computes a share.

    Raises KeyboardInterrupt when the user requested a stop and no other rank waits.
    """
    data, ranks, networks, L = training.data, training.ranks, training.networks, index.lookback
    tokenizer, predictor = networks.tokenizer.to(ranks.device).eval(), networks.predictor.to(ranks.device).eval()
    chunks = -(-len(index) // CHUNK)
    contexts = torch.zeros(chunks * CHUNK, predictor.config.d_model)
    with progress("contexts", chunks) as advance:
        for chunk in range(ranks.rank, chunks, ranks.world):
            if training.stop.requested and ranks.world == 1:
                raise KeyboardInterrupt
            rows = np.arange(chunk * CHUNK, (chunk + 1) * CHUNK)
            values, stamp, _ = gather_arrays(data.table, index, np.minimum(rows, len(index) - 1), data.clip)
            seen, times = (torch.from_numpy(part[:, :L]).to(ranks.device) for part in (values, stamp))
            contexts[rows] = predictor.context(*tokenizer.encode(seen), times)[:, -1].float().cpu()
            advance(ranks.world)
    # every window is 0 on all ranks but one
    return ranks.total(contexts)[: len(index)]


def _ranked_returns(training: Training, index: WindowIndex, date: IntArray) -> RankedReturns:
    closes = window_closes(training.data.table, index)
    returns = torch.from_numpy(closes[:, -1] / closes[:, 0] - 1)
    order = np.argsort(date, kind="stable")
    dates = np.split(order, np.flatnonzero(np.diff(date[order])) + 1)
    ranks = torch.empty(len(date))
    for windows in dates:
        ranks[windows] = date_ranks(returns[windows])
    return RankedReturns(last_contexts(training, index), ranks, dates)


def _loss(network: RankHead, ranked: RankedReturns, windows: IntArray, config: HeadConfig) -> Tensor:
    return LOSSES[config.loss](network(ranked.contexts[windows]), ranked.ranks[windows])


def _epochs(network: RankHead, ranked: RankedReturns, config: HeadConfig, seed: int) -> Iterator[float]:
    """The mean loss of each epoch; a step is a date."""
    adam = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    for epoch in range(1, config.epochs + 1):
        total = 0.0
        for number in np.random.default_rng((seed, PHASE_KEY, epoch)).permutation(len(ranked.dates)):
            loss = _loss(network, ranked, ranked.dates[number], config)
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
            total += loss.item()
        yield total / len(ranked.dates)


def compare_rankings(
    head: ValidationScore, forecasts: ValidationScore, sections: CrossSections, config: HeadConfig, dates: int
) -> HeadFigures:
    """Both rank ICs on the validation dates, and the mean of their differences by date with its margin.

    A gain is a difference that exceeds its 95% margin. config, dates : of the head, and its training dates.
    """
    ours, theirs = (np.array([np.nan if ic is None else ic for ic in one.rank_ics]) for one in (head, forecasts))
    difference, margin = mean_by_blocks(ours - theirs, sections)
    gain = difference is not None and margin is not None and difference > margin
    ic, decoded_ic = head.figures["rank_ic"], forecasts.figures["rank_ic"]
    verdict = "gain not measurable (too few dates with symbols to rank)"
    if difference is not None and margin is not None:
        verdict = (
            f"{'significant' if gain else 'no significant'} gain: rank IC {ic:+.3f}, validation forecasts "
            f"{decoded_ic:+.3f}, difference {difference:+.3f} ± {margin:.3f}"
        )
    return HeadFigures(
        loss=config.loss,
        hidden=config.hidden,
        dates=dates,
        rank_ic=ic,
        rank_ic_margin=head.figures["rank_ic_margin"],
        decoded_rank_ic=decoded_ic,
        difference=difference,
        difference_margin=margin,
        gain=gain,
        verdict=f"return head: {verdict}",
    )


def write_scores(path: Path, training: Training, network: RankHead) -> None:
    """Write date, asof, symbol and score of every window that ends after the training targets, up to the newest.

    The table is one that `kq signal import` reads.
    """
    index, table = training.data.unseen, training.data.table
    assert index is not None
    with torch.no_grad():
        scores = network(last_contexts(training, index)).double().numpy()
    rows = pl.DataFrame(
        {
            "date": table.date[index.anchor],
            "asof": table.time[index.anchor],
            "symbol": [table.symbols[i] for i in table.symbol_id[index.anchor].tolist()],
            "score": scores,
        }
    )
    if training.ranks.first:
        check_table("train.head_scores", rows)
        with write_aside(path) as partial:
            rows.sort("asof", "symbol").write_parquet(partial)
