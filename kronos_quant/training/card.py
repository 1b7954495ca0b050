"""checkpoints/best: the pair of networks that a training leaves, and the card that says how it came about."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kronos_quant.config import SCRATCH
from kronos_quant.files import write_aside, write_json
from kronos_quant.model import CARD_FILE, file_digests
from kronos_quant.training.state import Outcome
from kronos_quant.windows import TimeRange

if TYPE_CHECKING:
    from kronos_quant.training.fit import Networks, Training

ROTATION_NOTES = {
    "consistent": "dependency_rotation is `consistent`: the published code would forecast wrongly with these weights",
    "published": "dependency_rotation is `published`: the published code reads these weights and forecasts as meant",
}


def make_card(training: Training, freq: str, outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """What a user of the weights must know: windows, bars, splits, losses, and whether the published code fits."""
    job, splits = training.job, training.data.splits
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "base": job.model.base if job.model.base != SCRATCH else f"{SCRATCH} ({job.model.preset})",
        "freq": freq,
        "lookback_window": job.train.lookback_window,
        "predict_window": job.train.predict_window,
        "max_context": training.networks.max_context,
        "clip": job.train.clip,
        "universe": job.universe,
        "snapshot": job.snapshot,
        "seed": job.train.seed,
        "targets": {"train": _span(splits.train), "val": _span(splits.val), "test": _span(splits.test)},
        "validation_loss": {
            outcome.phase: {"before": outcome.start_loss, "best": outcome.best_loss, "epoch": outcome.best_epoch}
            for outcome in outcomes
        },
        "dependency_rotation": job.train.dependency_rotation,
        "teacher_forcing": job.train.teacher_forcing,
        "loss_region": job.train.loss_region,
        "note": ROTATION_NOTES[job.train.dependency_rotation],
    }


def write_pair(folder: Path, networks: Networks, card: dict[str, Any]) -> None:
    """Write tokenizer/, predictor/ and card.json; a new folder appears whole, in an old one each file does."""
    if folder.exists():
        _write(folder, networks, card)
    else:
        with write_aside(folder) as partial:
            _write(partial, networks, card)


def _write(folder: Path, networks: Networks, card: dict[str, Any]) -> None:
    networks.tokenizer.cpu().save_pretrained(folder / "tokenizer")
    networks.predictor.cpu().save_pretrained(folder / "predictor")
    digests = file_digests({name: folder / name for name in ("tokenizer", "predictor")})
    write_json(folder / CARD_FILE, card | {"sha256": digests})


def _span(span: TimeRange) -> list[str]:
    return [str(span.start.astype("datetime64[m]")), str(span.end.astype("datetime64[m]"))]
