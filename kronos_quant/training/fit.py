"""One training job: tokenizer, then predictor, then checkpoints/best with its card."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict

from kronos_quant.config import SCRATCH, ModelConfig, TrainConfig
from kronos_quant.files import write_aside, write_json
from kronos_quant.market import open_market
from kronos_quant.model import PRESETS, Kronos, KronosTokenizer, load_pair
from kronos_quant.training.data import TrainingData, load_data
from kronos_quant.training.loop import PhaseResult, PhaseSetup, train_phase
from kronos_quant.training.objectives import PredictorObjective, TokenizerObjective
from kronos_quant.training.ranks import Ranks, join_ranks
from kronos_quant.windows import TimeRange

logger = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"
BEST = f"{CHECKPOINTS}/best"
LOG = "log.jsonl"
NARROW_WIDTH = 128


class TrainingJob(BaseModel):
    """All that a rank needs to know; written to job.json for the ranks of a launch."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    root: Path
    """The workspace."""
    folder: Path
    """The run's folder."""
    freq: str | None
    universe: str
    device: str
    """cpu, cuda or mps."""
    models: Path
    """Where local weights lie."""
    model: ModelConfig
    train: TrainConfig
    """With no null left in what a preset fills in."""


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a training left: the phases' results and the folder of the best networks."""

    tokenizer: PhaseResult
    predictor: PhaseResult
    best: Path
    card: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Networks:
    """The two networks being trained, and the longest window they are meant for."""

    tokenizer: KronosTokenizer
    predictor: Kronos
    max_context: int


def fit(job: TrainingJob) -> FitResult:
    """Train on this process (one rank of a launch, or alone)."""
    with join_ranks(job.device) as ranks:
        torch.manual_seed(job.train.seed)
        market = open_market(job.root, job.freq)
        data = load_data(market, job.train, job.universe)
        networks = _starting_networks(job)
        _narrow_threads(networks, ranks)
        # another stream of dropout masks on every rank, after equal initial weights
        torch.manual_seed(job.train.seed + 1 + ranks.rank)
        tokenizer = _train_tokenizer(job, networks.tokenizer, data, ranks)
        predictor = _train_predictor(job, networks, data, ranks)
        card = _card(job, networks, data, market.snapshot.digest, market.freq, (tokenizer, predictor))
        if ranks.first:
            _write_best(job, networks, card)
        ranks.wait()
    return FitResult(tokenizer, predictor, job.folder / BEST, card)


def _starting_networks(job: TrainingJob) -> Networks:
    """Random weights, or the base's; everything trained here rotates the dependency layer alike in both uses of it."""
    if job.model.base == SCRATCH:
        preset = PRESETS[job.model.preset]
        config = replace(preset.predictor, dependency_rotation="consistent")
        return Networks(KronosTokenizer(preset.tokenizer), Kronos(config), preset.max_context)
    pair = load_pair(job.model.base, job.model.tokenizer, models_dir=job.models, revision=job.model.revision)
    predictor = Kronos(replace(pair.predictor.config, dependency_rotation="consistent"))
    predictor.load_state_dict(pair.predictor.state_dict())
    return Networks(pair.tokenizer, predictor, pair.max_context)


def _narrow_threads(networks: Networks, ranks: Ranks) -> None:
    """One thread for narrow networks on a CPU: more gain nothing there, and wait for each other on a busy machine."""
    narrow = networks.predictor.config.d_model <= NARROW_WIDTH
    if ranks.device.type == "cpu" and narrow and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def _train_tokenizer(job: TrainingJob, tokenizer: KronosTokenizer, data: TrainingData, ranks: Ranks) -> PhaseResult:
    assert job.train.tokenizer_epochs is not None
    assert job.train.tokenizer_learning_rate is not None
    setup = PhaseSetup(
        phase="tokenizer",
        objective=TokenizerObjective(tokenizer),
        trained=tokenizer,
        epochs=job.train.tokenizer_epochs,
        learning_rate=job.train.tokenizer_learning_rate,
        save=tokenizer.save_pretrained,
    )
    return _run_and_restore(job, setup, data, ranks)


def _train_predictor(job: TrainingJob, networks: Networks, data: TrainingData, ranks: Ranks) -> PhaseResult:
    assert job.train.predictor_epochs is not None
    assert job.train.predictor_learning_rate is not None
    networks.tokenizer.to(ranks.device)
    setup = PhaseSetup(
        phase="predictor",
        objective=PredictorObjective(
            networks.tokenizer, networks.predictor, job.train.lookback_window, job.train.loss_region
        ),
        trained=networks.predictor,
        epochs=job.train.predictor_epochs,
        learning_rate=job.train.predictor_learning_rate,
        save=networks.predictor.save_pretrained,
    )
    return _run_and_restore(job, setup, data, ranks)


def _run_and_restore(job: TrainingJob, setup: PhaseSetup, data: TrainingData, ranks: Ranks) -> PhaseResult:
    """Train a phase and put its best epoch's weights back into the network."""
    before = {name: value.clone() for name, value in setup.trained.state_dict().items()}
    folder = job.folder / CHECKPOINTS / setup.phase
    result = train_phase(setup, data, job.train, ranks, folder, job.folder / LOG)
    ranks.wait()
    if result.checkpoint is None:
        setup.trained.load_state_dict(before)
    else:
        kind = type(setup.trained)
        assert issubclass(kind, KronosTokenizer | Kronos)
        setup.trained.load_state_dict(kind.from_pretrained(result.checkpoint).state_dict())
    setup.trained.eval()
    return result


def _card(
    job: TrainingJob,
    networks: Networks,
    data: TrainingData,
    snapshot: str,
    freq: str,
    phases: tuple[PhaseResult, PhaseResult],
) -> dict[str, Any]:
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "base": job.model.base if job.model.base != SCRATCH else f"{SCRATCH} ({job.model.preset})",
        "freq": freq,
        "lookback_window": job.train.lookback_window,
        "predict_window": job.train.predict_window,
        "max_context": networks.max_context,
        "clip": job.train.clip,
        "universe": job.universe,
        "snapshot": snapshot,
        "seed": job.train.seed,
        "targets": {
            "train": _span(data.splits.train),
            "val": _span(data.splits.val),
            "test": _span(data.splits.test),
        },
        "validation_loss": {
            result.phase: {"before": result.start_loss, "best": result.best_loss, "epoch": result.best_epoch}
            for result in phases
        },
        "note": "dependency_rotation is `consistent`: the published code would forecast wrongly with these weights",
    }


def _write_best(job: TrainingJob, networks: Networks, card: dict[str, Any]) -> None:
    with write_aside(job.folder / BEST) as folder:
        networks.tokenizer.cpu().save_pretrained(folder / "tokenizer")
        networks.predictor.cpu().save_pretrained(folder / "predictor")
        write_json(folder / "card.json", card)


def _span(span: TimeRange) -> list[str]:
    return [str(span.start.astype("datetime64[m]")), str(span.end.astype("datetime64[m]"))]


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's log.jsonl."""
    return [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]
