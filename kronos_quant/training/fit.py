"""One training job: the starting networks are scored, tokenizer and predictor are trained, checkpoints/best is written.

A job that was stopped or killed resumes from its newest state when it is fitted again; finished phases are skipped.
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
from kronos_quant.model.card import ModelCard
from kronos_quant.model.library import BEST
from kronos_quant.training.adapt import check_adapt
from kronos_quant.training.batches.data import load_data
from kronos_quant.training.card import make_card, pretraining_cutoff, write_pair
from kronos_quant.training.head import HEAD, SCORES_FILE, train_head, usable_dates, write_scores
from kronos_quant.training.job import Networks, TrainingJob, starting_networks
from kronos_quant.training.logs import LaunchSpeed, TrainingLog, open_trackers
from kronos_quant.training.optimise import check_precision
from kronos_quant.training.phases import Training, score_start, train_predictor, train_tokenizer
from kronos_quant.training.processes import Ranks, join_ranks, stop_signals
from kronos_quant.training.state import CHECKPOINTS, PhaseOutcome, RunFiles
from kronos_quant.training.validation import ForecastValidation

NARROW_WIDTH = 128


@dataclass(frozen=True, slots=True)
class FitResult:
    """The outcomes of the phases, the folder of the best networks, and their card."""

    tokenizer: PhaseOutcome
    predictor: PhaseOutcome
    best: Path
    card: ModelCard


def fit(job: TrainingJob, started: float | None = None, networks: Networks | None = None) -> FitResult:
    """Train on this process (one rank of a launch, or alone), from the newest state in the job's folder if any.

    Parameters
    ----------
    job : from `train_plan` in `run`, or job.json
    started : start of the launch, in seconds since 1970, for speed.json; None: now
    networks : the starting networks, where they are loaded already

    Raises
    ------
    KeyboardInterrupt when the user stopped it (a state is saved); DataError when the bars are not those of the job, too
    few, or without the figure to choose by; ConfigError; CheckpointError; KronosQuantError when a loss is not a number
    or a disk is full.
    """
    check_precision(job.train, job.device)
    started = time.time() if started is None else started
    with stop_signals() as stop, join_ranks(job.device, job.train.backend) as ranks:
        speed = LaunchSpeed(job.folder, ranks, started)
        speed.reached("joined")
        torch.manual_seed(job.train.seed)
        market = open_market(job.root, job.freq)
        if market.snapshot.digest != job.snapshot:
            raise DataError(
                f"{job.folder}: started on bars {job.snapshot[:12]}, the workspace now has "
                f"{market.snapshot.digest[:12]}",
                hint="kq train --fresh",
            )
        data = load_data(market, job.train, job.universe)
        networks = starting_networks(job) if networks is None else networks
        check_adapt(job.train.adapt, networks.predictor.config, job.from_scratch)
        _narrow_threads(networks, ranks)
        validation = ForecastValidation(
            data, job.train.decoded_samples, networks.max_context, ranks, lambda: stop.requested
        )
        validation.check(job.train.choose_by)
        if job.train.head.epochs:
            usable_dates(data)
        cutoff = pretraining_cutoff(job)
        speed.reached("ready")
        with _run_files(job, ranks, speed) as files:
            return _fit(Training(job, networks, data, validation, ranks, files, stop, cutoff), market.freq)


@contextmanager
def _run_files(job: TrainingJob, ranks: Ranks, speed: LaunchSpeed) -> Iterator[RunFiles]:
    """The files of the run, resumed from the disk, with its trackers."""
    trackers = open_trackers(job.train.trackers if ranks.first else (), job.folder, job.train.comet)
    try:
        files = RunFiles(job.folder, job.identity, ranks, TrainingLog(job.folder, ranks.first, trackers), speed)
        files.resume()
        for tracker in trackers:
            tracker.log_parameters(job.model.model_dump(mode="json") | job.train.model_dump(mode="json"))
        yield files
    finally:
        for tracker in trackers:
            tracker.close()


def _fit(training: Training, freq: str) -> FitResult:
    job, ranks = training.job, training.ranks
    start = score_start(training)
    tokenizer = train_tokenizer(training)
    predictor = train_predictor(training, start, tokenizer_kept=tokenizer.best_epoch == 0)
    head, figures = train_head(training, predictor.best) if job.train.head.epochs else (None, None)
    card = make_card(training, freq, start, tokenizer, predictor)
    if head is not None:
        card = card.model_copy(update={HEAD: figures})
        write_scores(job.folder / SCORES_FILE, training, head)
    if ranks.first:
        if head is not None:
            head.save(job.folder / CHECKPOINTS / HEAD)
        write_pair(job.folder / BEST, training.networks, card)
    ranks.wait()
    return FitResult(tokenizer, predictor, job.folder / BEST, card)


def _narrow_threads(networks: Networks, ranks: Ranks) -> None:
    """One thread for narrow networks on a CPU: more gain nothing there, and wait for each other on a busy machine."""
    narrow = networks.predictor.config.d_model <= NARROW_WIDTH
    if ranks.device.type == "cpu" and narrow and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
