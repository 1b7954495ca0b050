"""speed.json of a run: how long each of its launches took to get going, and how fast it went then.

It stands apart from the log and the metrics, which are the same for equal trainings.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from kronos_quant.files import write_json
from kronos_quant.training.processes.ranks import Ranks

logger = logging.getLogger(__name__)

SPEED = "speed.json"
LAUNCHED = "KRONOS_LAUNCHED_AT"
"""In the environment of a rank: when its launch began, in seconds since 1970."""
Moment = Literal["joined", "ready", "first_step"]
"""All ranks have met; bars, windows and networks are there; the first step is done."""

_imported_at = time.time()


def launched_at() -> float:
    """When the launch of this rank began; where nothing tells, about when its process did."""
    return float(os.environ.get(LAUNCHED, _imported_at))


class Speed:
    """A launch as one rank sees it; the first rank writes it down after every epoch."""

    def __init__(self, folder: Path, ranks: Ranks, started: float) -> None:
        self.path, self.ranks, self.started = folder / SPEED, ranks, started
        self.former = read_launches(folder)
        self.seconds_to: dict[Moment, float] = {}
        self.phases: dict[str, dict[str, float]] = {}

    def reached(self, moment: Moment) -> None:
        """Note when a moment was reached for the first time."""
        if moment in self.seconds_to:
            return
        self.seconds_to[moment] = round(time.time() - self.started, 3)
        if moment == "first_step":
            joined, ready, first = (self.seconds_to.get(name, 0.0) for name in ("joined", "ready", "first_step"))
            logger.info(
                "ranks: %d, joined after %.1f s, bars and networks ready after %.1f s, first step after %.1f s",
                self.ranks.world, joined, ready, first,
            )  # fmt: skip

    def epoch(self, phase: str, windows: float, seconds: float) -> None:
        """Add the steps of an epoch: windows of this rank, and seconds without validation."""
        done = self.phases.setdefault(phase, {"windows": 0.0, "seconds": 0.0})
        done["windows"] += windows * self.ranks.world
        done["seconds"] += seconds
        if self.ranks.first:
            write_json(self.path, {"launches": [*self.former, self.as_dict()]})

    def as_dict(self) -> dict[str, Any]:
        """The launch so far."""
        rates = {phase: done["windows"] / max(done["seconds"], 1e-9) for phase, done in self.phases.items()}
        return {
            "ranks": self.ranks.world,
            "device": self.ranks.device.type,
            "seconds_to": self.seconds_to,
            "windows_per_second": rates,
            "windows_per_second_per_rank": {phase: rate / self.ranks.world for phase, rate in rates.items()},
        }


def read_launches(folder: Path) -> list[dict[str, Any]]:
    """What speed.json says of a run's launches, oldest first; none where there is no such file."""
    path = folder / SPEED
    return list(json.loads(path.read_text(encoding="utf-8"))["launches"]) if path.exists() else []


def speed_lines(launches: Sequence[Mapping[str, Any]]) -> list[str]:
    """The last launch in words; nothing where no step was made."""
    if not launches:
        return []
    last = launches[-1]
    ranks = f"{last['ranks']} rank{'s' if last['ranks'] > 1 else ''} on {last['device']}"
    rates = ", ".join(f"{phase} {rate:,.0f}" for phase, rate in last["windows_per_second_per_rank"].items())
    first = last["seconds_to"].get("first_step")
    told = "" if first is None else f", first step {first:.1f} s after the start"
    return [f"speed:      {ranks}{told}; windows a second and rank: {rates}"]
