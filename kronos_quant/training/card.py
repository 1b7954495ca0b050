"""checkpoints/best: the pair of networks that a training leaves, and the card that says how it came about.

A card also says what the networks may have seen before: the end of the base's pre-training data, where it is known.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kronos_quant.config import SCRATCH
from kronos_quant.files import write_aside
from kronos_quant.model import file_digests, find_model
from kronos_quant.model.card import ForecastFigures, ModelCard, PhaseLoss, TargetRanges, read_card, write_card
from kronos_quant.training.state import Outcome
from kronos_quant.training.validation import Score, verdict
from kronos_quant.windows import TimeRange

if TYPE_CHECKING:
    from kronos_quant.training.job import Networks, TrainingJob
    from kronos_quant.training.phases import Training

ROTATION_NOTES = {
    "consistent": "dependency_rotation is `consistent`: the published code would forecast wrongly with these weights",
    "published": "dependency_rotation is `published`: the published code reads these weights and forecasts as meant",
}


def make_card(training: Training, freq: str, control: Score, tokenizer: Outcome, predictor: Outcome) -> ModelCard:
    """What a user of the weights must know: windows, bars, splits, losses, what its forecasts are worth next to those
    of the networks that it started from and the last close, and whether the published code fits.
    """
    job, splits = training.job, training.data.splits
    return ModelCard(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        base=f"{SCRATCH} ({job.model.preset})" if job.from_scratch else job.model.base,
        pretraining_cutoff=training.cutoff,
        freq=freq,
        lookback_window=job.train.lookback_window,
        predict_window=job.train.predict_window,
        max_context=training.networks.max_context,
        clip=job.train.clip,
        universe=job.universe,
        snapshot=job.snapshot,
        seed=job.train.seed,
        targets=TargetRanges(train=_span(splits.train), val=_span(splits.val), test=_span(splits.test)),
        validation_loss={
            outcome.phase: PhaseLoss(start=outcome.start_loss, best=outcome.best_loss, epoch=outcome.best_epoch)
            for outcome in (tokenizer, predictor)
        },
        decoded=_decoded(training, control, predictor),
        dependency_rotation=job.train.dependency_rotation,
        teacher_forcing=job.train.teacher_forcing,
        loss_region=job.train.loss_region,
        adapt=str(job.train.adapt),
        note=ROTATION_NOTES[job.train.dependency_rotation],
    )


def _decoded(training: Training, control: Score, predictor: Outcome) -> ForecastFigures:
    """The decoded forecasts on validation windows: of the best epoch, of what it started from, of the last close."""
    config, sections, naive = training.job.train, training.data.decoded, training.decoded.last_close
    note = cutoff_note(training.job, training.cutoff, training.data.splits.val.start)
    return ForecastFigures(
        windows=len(sections),
        times=sections.dates,
        horizon=sections.index.predict,
        samples=config.decoded_samples,
        chosen_by=config.choose_by,
        trained={name: predictor.best.figures[name] for name in naive.figures},
        start={"name": training.control_name} | {name: control.figures[name] for name in naive.figures},
        last_close=naive.figures,
        verdict=verdict(predictor.best, control, naive, training.control_name) + ([note] if note else []),
    )


def write_pair(folder: Path, networks: Networks, card: ModelCard) -> None:
    """Write tokenizer/, predictor/ and card.json; a new folder appears whole, in an old one each file does."""
    if folder.exists():
        _write(folder, networks, card)
    else:
        with write_aside(folder) as partial:
            _write(partial, networks, card)


def _write(folder: Path, networks: Networks, card: ModelCard) -> None:
    networks.tokenizer.cpu().save_pretrained(folder / "tokenizer")
    networks.predictor.cpu().save_pretrained(folder / "predictor")
    digests = file_digests({name: folder / name for name in ("tokenizer", "predictor")})
    write_card(folder, card.model_copy(update={"sha256": digests}))


def _span(span: TimeRange) -> tuple[datetime, datetime]:
    start, end = (moment.astype("datetime64[m]").item() for moment in (span.start, span.end))
    return start, end


def pretraining_cutoff(job: TrainingJob) -> date | None:
    """Of the job's base: as kq.yaml says, or as its card does; None where neither does, and from scratch.

    Raises CheckpointError where the card holds something else than dates there.
    """
    if job.from_scratch:
        return None
    if job.model.pretraining_cutoff is not None:
        return job.model.pretraining_cutoff
    return read_card(find_model(job.model.base, job.models)).last_seen


def cutoff_note(job: TrainingJob, cutoff: date | None, first_target: np.datetime64) -> str | None:
    """Whether the zero-shot model may have seen the bars that it is scored on; None where it has not."""
    if job.from_scratch:
        return None
    if cutoff is None:
        why = f"the end of the pre-training data of {job.model.base} is not known (model.pretraining_cutoff)"
    elif cutoff < first_target.astype("datetime64[D]").item():
        return None
    else:
        why = f"{job.model.base} was pre-trained on bars until {cutoff}"
    return f"{why}: where it has seen validation bars, the figures of the zero-shot model flatter it"
