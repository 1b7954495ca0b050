"""The parts of a training in their order: what it starts from is scored, then tokenizer and predictor are trained."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date

from kronos_quant.model import Kronos, KronosTokenizer
from kronos_quant.training.adapt import to_adapt, whole
from kronos_quant.training.batches import Feed, TrainingData, tokenize_index
from kronos_quant.training.batches.data import epoch_plan
from kronos_quant.training.batches.tokens import fits
from kronos_quant.training.job import Networks, TrainingJob, plain_predictor
from kronos_quant.training.loop import PhaseSetup, train_phase
from kronos_quant.training.objectives import PredictorObjective, TokenizerObjective
from kronos_quant.training.processes import Halted, Ranks, Stop
from kronos_quant.training.record import BEST_NAME, RunRecord
from kronos_quant.training.state import Outcome
from kronos_quant.training.validation import UNTRAINED, ZERO_SHOT, DecodedValidation, Score, in_short

logger = logging.getLogger(__name__)

CONTROL = "control"
"""Where the log has a phase: the networks that the training starts from."""


@dataclass(frozen=True, slots=True)
class Training:
    """A job under way on this rank."""

    job: TrainingJob
    networks: Networks
    data: TrainingData
    decoded: DecodedValidation
    ranks: Ranks
    record: RunRecord
    stop: Stop
    cutoff: date | None
    """Last date of the base's pre-training data, where known."""

    @property
    def control_name(self) -> str:
        """What the networks are that the training starts from."""
        return UNTRAINED if self.job.from_scratch else ZERO_SHOT


def score_control(training: Training) -> Score:
    """The decoded forecasts of the networks that the training starts from, as they are used without it.

    They are what it has to be better than.
    """
    record, networks = training.record, training.networks
    if record.control is None:
        base = networks.predictor
        if not networks.rotation_kept:
            base = plain_predictor(networks.base_config, base.state_dict())
        try:
            record.control = training.decoded.score(networks.tokenizer, base)
        except Halted:
            raise KeyboardInterrupt from None
        figures = record.control.figures
        record.journal.row({"phase": CONTROL, "epoch": 0, "step": 0, "split": "val"} | figures)
        logger.info("%s%s", training.control_name, in_short(figures))
    return record.control


def train_tokenizer(training: Training) -> Outcome:
    """Train the tokenizer, or take up what it came to; its best weights are in place afterwards."""
    config, tokenizer = training.job.train, training.networks.tokenizer
    assert config.tokenizer_epochs is not None
    assert config.tokenizer_learning_rate is not None
    done = training.record.finished.get("tokenizer")
    if done is None:
        if config.tokenizer_epochs:
            logger.info("tokenizer: its loss may be negative: the entropy part rewards a varied code")
        setup = PhaseSetup(
            "tokenizer",
            TokenizerObjective(tokenizer, training.ranks),
            tokenizer,
            config.tokenizer_epochs,
            config.tokenizer_learning_rate,
            config.tokenizer_choose_by,
        )
        plan = epoch_plan(training.data, config)
        feed = Feed(training.data, plan, training.ranks, augmented=config.augment, workers=config.workers)
        done = _run(training, setup, feed)
    _restore(training, tokenizer, done)
    return done


def train_predictor(training: Training, control: Score, tokenizer_kept: bool) -> Outcome:
    """Train the predictor, or take up what it came to; its best weights are in place afterwards.

    control : of `score_control`. tokenizer_kept : whether the tokenizer is the one that the control was scored with
    """
    config, networks = training.job.train, training.networks
    assert config.predictor_epochs is not None
    assert config.predictor_learning_rate is not None
    done = training.record.finished.get("predictor")
    if done is None:
        networks.tokenizer.to(training.ranks.device)
        trained = to_adapt(networks.predictor, config.adapt, config.seed)
        objective = PredictorObjective(
            networks.tokenizer,
            trained,
            config.lookback_window,
            config.loss_region,
            config.teacher_forcing,
        )
        setup = PhaseSetup(
            "predictor",
            objective,
            trained,
            config.predictor_epochs,
            config.predictor_learning_rate,
            config.choose_by,
            decoded=lambda: training.decoded.score(networks.tokenizer, whole(trained)),
            decoded_before=control if tokenizer_kept and networks.rotation_kept else None,
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
    learning = [(name, value) for name, value in setup.trained.named_parameters() if value.requires_grad]
    before = {name: value.detach().clone() for name, value in learning}
    outcome = train_phase(setup, feed, training.job.train, training.ranks, training.record, training.stop)
    setup.trained.load_state_dict(before, strict=False)
    training.ranks.wait()
    return outcome


def _restore(training: Training, network: KronosTokenizer | Kronos, outcome: Outcome) -> None:
    """Put the best epoch's weights into a network that has those it started from."""
    if outcome.best_epoch:
        best = training.record.checkpoint(outcome.phase, BEST_NAME)
        network.load_state_dict(type(network).from_pretrained(best).state_dict())
    network.eval()
