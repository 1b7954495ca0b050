"""One training job: what it starts from is scored, tokenizer and predictor are trained, checkpoints/best is left.

A job that was stopped, in whatever way, goes on from its newest state when it is fitted again; what is done is
skipped.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from kronos_quant.errors import DataError
from kronos_quant.market import open_market
from kronos_quant.model.card import HeadFigures, ModelCard
from kronos_quant.training.adapt import check_adapt
from kronos_quant.training.batches import load_data
from kronos_quant.training.card import make_card, pretraining_cutoff, write_pair
from kronos_quant.training.head import HEAD, SCORES_FILE, train_head, usable_dates, write_scores
from kronos_quant.training.job import Networks, TrainingJob, starting_networks
from kronos_quant.training.logs import LOG, Journal, Speed, open_trackers, read_rows
from kronos_quant.training.optimise import check_precision
from kronos_quant.training.phases import Training, score_control, train_predictor, train_tokenizer
from kronos_quant.training.processes import Ranks, join_ranks, stop_signals
from kronos_quant.training.record import BEST, CHECKPOINTS, RunRecord
from kronos_quant.training.state import Outcome
from kronos_quant.training.validation import DecodedValidation

__all__ = ["BEST", "CHECKPOINTS", "LOG", "FitResult", "TrainingJob", "fit", "read_rows", "starting_networks"]

NARROW_WIDTH = 128


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a training left: the phases' outcomes and the folder of the best networks."""

    tokenizer: Outcome
    predictor: Outcome
    best: Path
    card: ModelCard


def fit(job: TrainingJob, started: float | None = None) -> FitResult:
    """Train on this process (one rank of a launch, or alone) from where the job's folder says it stands.

    started : when the launch began, in seconds since 1970, for speed.json; None is now.
    Raises KeyboardInterrupt when asked to stop (a state is saved), DataError when the bars are not those of the job,
    too few, or without the figure to choose by, ConfigError, CheckpointError, and KronosQuantError when a loss is not
    a number or a disk is full.
    """
    check_precision(job.train, job.device)
    started = time.time() if started is None else started
    with stop_signals() as stop, join_ranks(job.device, job.train.backend) as ranks:
        speed = Speed(job.folder, ranks, started)
        speed.reached("joined")
        torch.manual_seed(job.train.seed)
        market = open_market(job.root, job.freq)
        if market.snapshot.digest != job.snapshot:
            raise DataError(
                f"{job.folder}: began on bars {job.snapshot[:12]}, the workspace now has {market.snapshot.digest[:12]}",
                hint="kq train --fresh starts another run",
            )
        data = load_data(market, job.train, job.universe)
        networks = starting_networks(job)
        check_adapt(job.train.adapt, networks.predictor.config, job.from_scratch)
        _narrow_threads(networks, ranks)
        decoded = DecodedValidation(data, job.train.decoded_samples, networks.max_context, ranks, lambda: stop.asked)
        decoded.check(job.train.choose_by)
        if job.train.head.epochs:
            usable_dates(data)
        cutoff = pretraining_cutoff(job)
        speed.reached("ready")
        with _record(job, ranks, speed) as record:
            return _fit(Training(job, networks, data, decoded, ranks, record, stop, cutoff), market.freq)


@contextmanager
def _record(job: TrainingJob, ranks: Ranks, speed: Speed) -> Iterator[RunRecord]:
    """The record of the run, where it stands on the disk, with its trackers."""
    trackers = open_trackers(job.train.trackers if ranks.first else (), job.folder)
    try:
        record = RunRecord(job.folder, job.identity, ranks, Journal(job.folder, ranks.first, trackers), speed)
        record.continue_from_disk()
        for tracker in trackers:
            tracker.parameters(job.model.model_dump(mode="json") | job.train.model_dump(mode="json"))
        yield record
    finally:
        for tracker in trackers:
            tracker.close()


def _fit(training: Training, freq: str) -> FitResult:
    job, ranks = training.job, training.ranks
    control = score_control(training)
    tokenizer = train_tokenizer(training)
    predictor = train_predictor(training, control, tokenizer_kept=tokenizer.best_epoch == 0)
    head = train_head(training, predictor.best) if job.train.head.epochs else None
    card = make_card(training, freq, control, tokenizer, predictor)
    if head is not None:
        card = card.model_copy(update={HEAD: HeadFigures.model_validate(head.finding)})
        write_scores(job.folder / SCORES_FILE, training, head.network)
    if ranks.first:
        if head is not None:
            head.network.save(job.folder / CHECKPOINTS / HEAD)
        write_pair(job.folder / BEST, training.networks, card)
    ranks.wait()
    return FitResult(tokenizer, predictor, job.folder / BEST, card)


def _narrow_threads(networks: Networks, ranks: Ranks) -> None:
    """One thread for narrow networks on a CPU: more gain nothing there, and wait for each other on a busy machine."""
    narrow = networks.predictor.config.d_model <= NARROW_WIDTH
    if ranks.device.type == "cpu" and narrow and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
