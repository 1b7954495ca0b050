"""One training job: tokenizer, then predictor, then checkpoints/best with its card.

A job that was stopped, in whatever way, goes on from its newest state when it is fitted again; phases that are done are
skipped.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict

from kronos_quant.config import SCRATCH, ModelConfig, TrainConfig
from kronos_quant.errors import DataError
from kronos_quant.market import open_market
from kronos_quant.model import PRESETS, Kronos, KronosTokenizer, load_pair
from kronos_quant.training.batches import Feed, TrainingData, load_data, tokenize_index
from kronos_quant.training.batches.data import epoch_plan
from kronos_quant.training.batches.tokens import fits
from kronos_quant.training.card import make_card, write_pair
from kronos_quant.training.interrupts import Stop, stop_signals
from kronos_quant.training.journal import LOG, Journal, read_rows
from kronos_quant.training.loop import PhaseSetup, train_phase
from kronos_quant.training.objectives import PredictorObjective, TokenizerObjective
from kronos_quant.training.optimise import check_precision
from kronos_quant.training.ranks import Ranks, join_ranks
from kronos_quant.training.record import BEST, BEST_NAME, CHECKPOINTS, RunRecord
from kronos_quant.training.state import Outcome
from kronos_quant.training.tracking import open_trackers

logger = logging.getLogger(__name__)

__all__ = ["BEST", "CHECKPOINTS", "LOG", "FitResult", "Networks", "TrainingJob", "fit", "read_rows"]

NARROW_WIDTH = 128
NO_RESULT = ("data_path", "workers", "backend", "trackers", "state_every_minutes", "state_every_steps")
"""Settings of `train` that may change when a run is gone on with. (data_path: what it holds is in the bars.)"""


class TrainingJob(BaseModel):
    """All that a rank needs to know; written to job.json for the ranks of a launch."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    root: Path
    """The workspace."""
    folder: Path
    """The run's folder."""
    freq: str | None
    universe: str
    snapshot: str
    """Digest of the bars."""
    weights: str | None = None
    """Digest of the base's weights; None from scratch."""
    device: str
    """cpu, cuda or mps."""
    models: Path
    """Where local weights lie."""
    model: ModelConfig
    train: TrainConfig
    """With no null left in what a preset fills in."""

    @property
    def identity(self) -> str:
        """Digest of what decides the result: another place, device, tracker or number of workers does not."""
        decides = self.model_dump(mode="json", exclude={"root", "folder", "models", "device"})
        decides["train"] = {name: value for name, value in decides["train"].items() if name not in NO_RESULT}
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a training left: the phases' outcomes and the folder of the best networks."""

    tokenizer: Outcome
    predictor: Outcome
    best: Path
    card: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Networks:
    """The two networks being trained, and the longest window they are meant for."""

    tokenizer: KronosTokenizer
    predictor: Kronos
    max_context: int


@dataclass(frozen=True, slots=True)
class Training:
    """A job under way on this rank."""

    job: TrainingJob
    networks: Networks
    data: TrainingData
    ranks: Ranks
    record: RunRecord
    stop: Stop


def fit(job: TrainingJob) -> FitResult:
    """Train on this process (one rank of a launch, or alone) from where the job's folder says it stands.

    Raises KeyboardInterrupt when asked to stop (a state is saved), DataError when the bars are not those of the job or
    too few, ConfigError, CheckpointError, and KronosQuantError when a loss is not a number or a disk is full.
    """
    check_precision(job.train, job.device)
    with stop_signals() as stop, join_ranks(job.device, job.train.backend) as ranks:
        torch.manual_seed(job.train.seed)
        market = open_market(job.root, job.freq)
        if market.snapshot.digest != job.snapshot:
            raise DataError(
                f"{job.folder}: began on bars {job.snapshot[:12]}, the workspace now has {market.snapshot.digest[:12]}",
                hint="kq train --fresh starts another run",
            )
        data = load_data(market, job.train, job.universe)
        networks = starting_networks(job)
        _narrow_threads(networks, ranks)
        trackers = open_trackers(job.train.trackers if ranks.first else (), job.folder)
        journal = Journal(job.folder, ranks.first, trackers)
        try:
            record = RunRecord(job.folder, job.identity, ranks, journal)
            record.continue_from_disk()
            for tracker in trackers:
                tracker.parameters(job.model.model_dump(mode="json") | job.train.model_dump(mode="json"))
            training = Training(job, networks, data, ranks, record, stop)
            outcomes = _train_tokenizer(training), _train_predictor(training)
            card = make_card(training, market.freq, outcomes)
            if ranks.first:
                write_pair(job.folder / BEST, networks, card)
            ranks.wait()
        finally:
            for tracker in trackers:
                tracker.close()
    return FitResult(*outcomes, job.folder / BEST, card)


def starting_networks(job: TrainingJob) -> Networks:
    """Random weights, or the base's, with the dropout and the rotation that the job asks for."""
    train = job.train
    if job.model.base == SCRATCH:
        preset = PRESETS[job.model.preset]
        tokenizer, predictor, context = preset.tokenizer, preset.predictor, preset.max_context
        weights: tuple[dict[str, torch.Tensor], ...] = ()
    else:
        pair = load_pair(job.model.base, job.model.tokenizer, models_dir=job.models, revision=job.model.revision)
        tokenizer, predictor, context = pair.tokenizer.config, pair.predictor.config, pair.max_context
        weights = pair.tokenizer.state_dict(), pair.predictor.state_dict()
    predictor = replace(predictor, dependency_rotation=train.dependency_rotation)
    if train.dropout is not None:
        p = train.dropout
        predictor = replace(predictor, ffn_dropout_p=p, resid_dropout_p=p, token_dropout_p=p)
    if train.attention_dropout is not None:
        predictor = replace(predictor, attn_dropout_p=train.attention_dropout)
    networks = Networks(KronosTokenizer(tokenizer), Kronos(predictor), train.max_context or context)
    for network, values in zip((networks.tokenizer, networks.predictor), weights, strict=False):
        network.load_state_dict(values)
    return networks


def _narrow_threads(networks: Networks, ranks: Ranks) -> None:
    """One thread for narrow networks on a CPU: more gain nothing there, and wait for each other on a busy machine."""
    narrow = networks.predictor.config.d_model <= NARROW_WIDTH
    if ranks.device.type == "cpu" and narrow and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def _train_tokenizer(training: Training) -> Outcome:
    config, tokenizer = training.job.train, training.networks.tokenizer
    assert config.tokenizer_epochs is not None
    assert config.tokenizer_learning_rate is not None
    done = training.record.finished.get("tokenizer")
    if done is None:
        if config.tokenizer_epochs:
            logger.info("tokenizer: its loss may be negative: the entropy part rewards a varied code")
        setup = PhaseSetup(
            "tokenizer",
            TokenizerObjective(tokenizer),
            tokenizer,
            config.tokenizer_epochs,
            config.tokenizer_learning_rate,
        )
        plan = epoch_plan(training.data, config)
        feed = Feed(training.data, plan, training.ranks, augmented=config.augment, workers=config.workers)
        done = _run(training, setup, feed)
    _restore(training, tokenizer, done)
    return done


def _train_predictor(training: Training) -> Outcome:
    config, networks = training.job.train, training.networks
    assert config.predictor_epochs is not None
    assert config.predictor_learning_rate is not None
    done = training.record.finished.get("predictor")
    if done is None:
        networks.tokenizer.to(training.ranks.device)
        objective = PredictorObjective(
            networks.tokenizer,
            networks.predictor,
            config.lookback_window,
            config.loss_region,
            config.teacher_forcing,
        )
        setup = PhaseSetup(
            "predictor", objective, networks.predictor, config.predictor_epochs, config.predictor_learning_rate
        )
        done = _run(training, setup, _predictor_feed(training, config.predictor_epochs))
    _restore(training, networks.predictor, done)
    return done


def _predictor_feed(training: Training, epochs: int) -> Feed:
    """Batches of tokens where every window is drawn at least once and all of them fit; else of values."""
    config, data, ranks = training.job.train, training.data, training.ranks
    plan = epoch_plan(data, config)
    length = config.lookback_window + config.predict_window
    drawn_again = epochs * plan.samples >= plan.windows
    kept = drawn_again and not config.augment.any and fits(plan.windows + len(data.val), length)
    tables = [
        tokenize_index(training.networks.tokenizer, data.table, index, data.clip, ranks) if kept else None
        for index in (data.train, data.val)
    ]
    return Feed(
        data, plan, ranks,
        augmented=config.augment, train_tokens=tables[0], val_tokens=tables[1], workers=config.workers,
    )  # fmt: skip


def _run(training: Training, setup: PhaseSetup, feed: Feed) -> Outcome:
    before = {name: value.clone() for name, value in setup.trained.state_dict().items()}
    outcome = train_phase(setup, feed, training.job.train, training.ranks, training.record, training.stop)
    setup.trained.load_state_dict(before)
    training.ranks.wait()
    return outcome


def _restore(training: Training, network: KronosTokenizer | Kronos, outcome: Outcome) -> None:
    """Put the best epoch's weights into a network that has those it started from."""
    if outcome.best_epoch:
        best = training.record.checkpoint(outcome.phase, BEST_NAME)
        network.load_state_dict(type(network).from_pretrained(best).state_dict())
    network.eval()
