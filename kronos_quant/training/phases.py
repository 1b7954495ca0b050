"""The phases of a training in their order: the starting networks are scored, tokenizer and predictor trained."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date

from kronos_quant.model import Kronos, KronosTokenizer
from kronos_quant.training.adapt import adapt_predictor, merged_predictor
from kronos_quant.training.batches.data import TrainingData
from kronos_quant.training.batches.loader import BatchLoader, epoch_plan
from kronos_quant.training.batches.tokens import tokenize_index, tokens_fit
from kronos_quant.training.job import Networks, TrainingJob, plain_predictor
from kronos_quant.training.loop import PhaseSetup, train_phase
from kronos_quant.training.objectives import PredictorObjective, TokenizerObjective
from kronos_quant.training.processes import Ranks, StopRequest
from kronos_quant.training.state import BEST_NAME, PhaseOutcome, RunFiles
from kronos_quant.training.validation import ForecastValidation, ValidationScore, forecast_summary

logger = logging.getLogger(__name__)

START_PHASE = "control"
"""Phase of the log row with the validation forecasts of the starting networks."""


@dataclass(frozen=True, slots=True)
class Training:
    """A running job on this rank."""

    job: TrainingJob
    networks: Networks
    data: TrainingData
    validation: ForecastValidation
    ranks: Ranks
    files: RunFiles
    stop: StopRequest
    cutoff: date | None
    """Last date of the base's pre-training data, where known."""


def score_start(training: Training) -> ValidationScore:
    """The validation forecasts of the starting networks, as they would be used without training."""
    files, networks = training.files, training.networks
    if files.control is None:
        base = networks.predictor
        if not networks.rotation_kept:
            base = plain_predictor(networks.base_config, base.state_dict())
        files.control = training.validation.score(networks.tokenizer, base)
        figures = files.control.figures
        files.log.append({"phase": START_PHASE, "epoch": 0, "step": 0, "split": "val"} | figures)
        logger.info("%s%s", training.job.start_name, forecast_summary(figures))
    return files.control


def train_tokenizer(training: Training) -> PhaseOutcome:
    """Train the tokenizer, or take its stored outcome; the best weights are loaded afterwards."""
    config, tokenizer = training.job.train, training.networks.tokenizer
    assert config.tokenizer_epochs is not None
    assert config.tokenizer_learning_rate is not None
    done = training.files.finished.get("tokenizer")
    if done is None:
        if config.tokenizer_epochs:
            logger.info("tokenizer loss can be negative (its entropy term is a reward)")
        setup = PhaseSetup(
            "tokenizer",
            TokenizerObjective(tokenizer, training.ranks),
            tokenizer,
            config.tokenizer_epochs,
            config.tokenizer_learning_rate,
            config.tokenizer_choose_by,
        )
        plan = epoch_plan(training.data, config)
        loader = BatchLoader(training.data, plan, training.ranks, augmented=config.augment, workers=config.workers)
        done = _run(training, setup, loader)
    _restore(training, tokenizer, done)
    return done


def train_predictor(training: Training, start: ValidationScore, tokenizer_kept: bool) -> PhaseOutcome:
    """Train the predictor, or take its stored outcome; the best weights are loaded afterwards.

    start : from `score_start`. tokenizer_kept : whether the tokenizer is still the starting one.
    """
    config, networks = training.job.train, training.networks
    assert config.predictor_epochs is not None
    assert config.predictor_learning_rate is not None
    done = training.files.finished.get("predictor")
    if done is None:
        networks.tokenizer.to(training.ranks.device)
        trained = adapt_predictor(networks.predictor, config.adapt, config.seed)
        objective = PredictorObjective(
            networks.tokenizer, trained, config.lookback_window, config.loss_region, config.teacher_forcing
        )
        setup = PhaseSetup(
            "predictor",
            objective,
            trained,
            config.predictor_epochs,
            config.predictor_learning_rate,
            config.choose_by,
            forecasts=lambda: training.validation.score(networks.tokenizer, merged_predictor(trained)),
            forecasts_before=start if tokenizer_kept and networks.rotation_kept else None,
        )
        done = _run(training, setup, _predictor_loader(training, config.predictor_epochs))
    _restore(training, networks.predictor, done)
    return done


def _predictor_loader(training: Training, epochs: int) -> BatchLoader:
    """Batches of tokens where every window is drawn at least once and all of them fit; else of values."""
    config, data, ranks = training.job.train, training.data, training.ranks
    plan = epoch_plan(data, config)
    length = config.lookback_window + config.predict_window
    drawn_again = epochs * plan.samples >= plan.windows
    kept = drawn_again and not config.augment.any and tokens_fit(plan.windows + len(data.val), length)
    tables = [
        tokenize_index(training.networks.tokenizer, data.table, index, data.clip, ranks) if kept else None
        for index in (data.train, data.val)
    ]
    return BatchLoader(
        data, plan, ranks,
        augmented=config.augment, train_tokens=tables[0], val_tokens=tables[1], workers=config.workers,
    )  # fmt: skip


def _run(training: Training, setup: PhaseSetup, loader: BatchLoader) -> PhaseOutcome:
    learning = [(name, value) for name, value in setup.trained.named_parameters() if value.requires_grad]
    before = {name: value.detach().clone() for name, value in learning}
    outcome = train_phase(setup, loader, training.job.train, training.ranks, training.files, training.stop)
    setup.trained.load_state_dict(before, strict=False)
    training.ranks.wait()
    return outcome


def _restore(training: Training, network: KronosTokenizer | Kronos, outcome: PhaseOutcome) -> None:
    """Load the best epoch's weights into a network that has those it started from."""
    if outcome.best_epoch:
        best = training.files.checkpoint_folder(outcome.phase, BEST_NAME)
        network.load_state_dict(type(network).from_pretrained(best).state_dict())
    network.eval()
