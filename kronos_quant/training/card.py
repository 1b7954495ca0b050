"""The pair of networks that a training leaves, its card, and the verdict on its validation forecasts.

Errors are compared block by block of dates, so that moves that all forecasts share on a date cancel. Every ± is half
of a 95% interval; a difference inside it is not significant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kronos_quant.config import SCRATCH
from kronos_quant.files import write_aside
from kronos_quant.model import file_digests, find_model
from kronos_quant.model.card import ForecastFigures, ModelCard, PhaseLoss, TargetRanges, read_card, write_card
from kronos_quant.stats.correlation import FEWEST_PAIRS
from kronos_quant.training.job import Networks, TrainingJob
from kronos_quant.training.state import PhaseOutcome
from kronos_quant.training.validation import FORMATS, Figures, ValidationScore, figure_cell, margin_of_mean
from kronos_quant.windows import TimeRange

if TYPE_CHECKING:
    from kronos_quant.training.phases import Training

TRAINED, LAST_CLOSE = "trained model", "last close"
ROTATION_NOTES = {
    "consistent": "dependency_rotation is `consistent`: the published code would forecast wrongly with these weights",
    "published": "dependency_rotation is `published`: the published code reads these weights and forecasts correctly",
}


def make_card(
    training: Training, freq: str, start: ValidationScore, tokenizer: PhaseOutcome, predictor: PhaseOutcome
) -> ModelCard:
    """The card of a finished training: windows, bars, splits, losses, and its validation forecasts.

    start : validation forecasts of the networks that it started from. tokenizer, predictor : outcomes of the phases.
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
            outcome.phase: PhaseLoss(start=outcome.start.loss, best=outcome.best.loss, epoch=outcome.best_epoch)
            for outcome in (tokenizer, predictor)
        },
        decoded=_forecast_figures(training, start, predictor),
        dependency_rotation=job.train.dependency_rotation,
        teacher_forcing=job.train.teacher_forcing,
        loss_region=job.train.loss_region,
        adapt=str(job.train.adapt),
        note=ROTATION_NOTES[job.train.dependency_rotation],
    )


def _forecast_figures(training: Training, start: ValidationScore, predictor: PhaseOutcome) -> ForecastFigures:
    """The figures of the validation forecasts: of the best epoch, of the starting networks, of the last close."""
    job = training.job
    config, sections, naive = job.train, training.data.decoded, training.validation.last_close
    note = cutoff_note(job, training.cutoff, training.data.splits.val.start)
    return ForecastFigures(
        windows=len(sections),
        times=sections.dates,
        horizon=sections.index.predict,
        samples=config.decoded_samples,
        chosen_by=config.choose_by,
        trained={name: predictor.best.figures[name] for name in naive.figures},
        start={"name": job.start_name} | {name: start.figures[name] for name in naive.figures},
        last_close=naive.figures,
        verdict=write_verdict(predictor.best, start, naive, job.start_name) + ([note] if note else []),
    )


def write_pair(folder: Path, networks: Networks, card: ModelCard) -> None:
    """Write tokenizer/, predictor/ and card.json; a new folder appears whole, in an existing one each file does."""
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
    """The last date of the base's pre-training data, from kq.yaml or its card; None where unknown or from scratch.

    Raises CheckpointError where the card has anything but dates there.
    """
    if job.from_scratch:
        return None
    if job.model.pretraining_cutoff is not None:
        return job.model.pretraining_cutoff
    return read_card(find_model(job.model.base, job.models)).last_seen


def cutoff_note(job: TrainingJob, cutoff: date | None, first_target: np.datetime64) -> str | None:
    """A warning where the base may have been trained on validation bars; None where it was not."""
    if job.from_scratch:
        return None
    if cutoff is None:
        why = f"the end date of the pre-training data of {job.model.base} is unknown (model.pretraining_cutoff)"
    elif cutoff < first_target.astype("datetime64[D]").item():
        return None
    else:
        why = f"{job.model.base} was pre-trained on bars up to {cutoff}"
    return f"{why}: figures of the zero-shot model on bars it was trained on are too good"


@dataclass(frozen=True, slots=True)
class ErrorComparison:
    """Difference of two mean squared errors as a share of the second, and its 95% margin."""

    change: float
    margin: float

    def __str__(self) -> str:
        significant = abs(self.change) > self.margin
        result = "no significant difference"
        if significant:
            result = f"significantly {'better' if self.change < 0 else 'worse'}"
        return f"{result} (MSE {100 * self.change:+.1f}% ± {100 * self.margin:.1f}%)"


def compare_errors(ours: ValidationScore, theirs: ValidationScore) -> ErrorComparison | None:
    """Two forecasts of the same windows; None where there are too few blocks, or a forecast is not a number."""
    if len(ours.errors) != len(theirs.errors):
        return None
    difference, base = np.array(ours.errors) - np.array(theirs.errors), np.mean(theirs.errors)
    margin = margin_of_mean(difference)
    if margin is None or not base > 0:
        return None
    return ErrorComparison(float(difference.mean() / base), float(margin / base))


def write_verdict(
    trained: ValidationScore, start: ValidationScore, last_close: ValidationScore, start_name: str
) -> list[str]:
    """The result of the training: one sentence for each forecast it has to beat, and one for the ranking."""
    lines = []
    for name, other in ((start_name, start), (LAST_CLOSE, last_close)):
        comparison = compare_errors(trained, other)
        if trained.errors and trained.errors == other.errors:
            lines.append(f"No epoch improved on the {name}; its weights are kept.")
        elif comparison is None:
            lines.append(f"trained vs {name}: not comparable (too few dates, or no forecast)")
        else:
            lines.append(f"trained vs {name}: {comparison}")
    return [*lines, _ranking(trained.figures, start.figures, start_name)]


def _ranking(trained: Figures, start: Figures, start_name: str) -> str:
    ic, margin, before = trained["rank_ic"], trained["rank_ic_margin"], start["rank_ic"]
    if ic is None:
        return f"rank IC not available: needs dates with at least {FEWEST_PAIRS} symbols and distinct forecasts"
    reference = "" if before is None else f" ({start_name}: {before:+.3f})"
    if margin is None:
        return f"rank IC {ic:+.3f}{reference}: too few dates for a confidence interval"
    result = (
        "significantly positive" if ic > margin else "significantly negative" if ic < -margin else "not significant"
    )
    return f"rank IC {ic:+.3f} ± {margin:.3f}{reference}: {result}"


def forecast_lines(decoded: ForecastFigures) -> list[str]:
    """The validation forecasts of a card as text: the windows, a table of the figures, the verdict."""
    rows: list[tuple[str, Mapping[str, Any]]] = [
        (TRAINED, decoded.trained),
        (str(decoded.start["name"]), decoded.start),
        (LAST_CLOSE, decoded.last_close),
    ]
    return [
        f"validation forecasts: {decoded.windows} windows on {decoded.times} dates, horizon {decoded.horizon} bars, "
        f"mean of {decoded.samples} sample paths; best epoch selected by {decoded.chosen_by}",
        *_table(rows),
        *decoded.verdict,
    ]


def _table(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    cells = [["", *(heading for heading, _ in FORMATS.values())]]
    cells += [[name, *(figure_cell(column, figures.get(column)) for column in FORMATS)] for name, figures in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in cells
    ]
