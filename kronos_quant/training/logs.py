"""The records of a training run: log.jsonl, speed.json and the experiment trackers.

log.jsonl holds results only, one row a line, and is cut back where a resumed training continues: equal trainings leave
equal logs. speed.json holds, for each launch, the start-up time and the windows per second. Trackers are optional. The
account and the destination of a tracker come from its own environment variables (COMET_API_KEY, COMET_PROJECT_NAME,
MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME, ...): no secret is read from or written to a file. A resumed training
continues the experiment that it began.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TypeAlias

from kronos_quant.config import CometConfig
from kronos_quant.errors import ConfigError, KronosQuantError
from kronos_quant.files import disk_errors, write_json, write_text
from kronos_quant.readers import read_json, read_json_lines, read_text, reading
from kronos_quant.system import flush_file
from kronos_quant.training.processes import Ranks

logger = logging.getLogger(__name__)

LOG = "log.jsonl"
SPEED = "speed.json"
MLFLOW_RUN = "mlflow_run.txt"
PACKAGES = {"comet": ("comet_ml", "comet-ml"), "mlflow": ("mlflow", "mlflow"), "tensorboard": ("tensorboard",) * 2}
"""Tracker -> the module it needs, and the package that provides it."""
Tracker: TypeAlias = "_Comet | _Mlflow | _Tensorboard"
"""Records the settings of the run (log_parameters) and each row of the log (log_row); close() sends the rest."""
Milestone = Literal["joined", "ready", "first_step"]
"""All ranks are connected; bars, windows and networks are loaded; the first step is done."""


class TrainingLog:
    """Appends rows to log.jsonl and passes them to the trackers; on ranks that do not save it does nothing."""

    def __init__(self, folder: Path, writes: bool, trackers: list[Tracker] | None = None) -> None:
        self.path, self.writes, self.trackers = folder / LOG, writes, trackers or []

    def append(self, row: dict[str, Any]) -> None:
        """Append a row."""
        if not self.writes:
            return
        with disk_errors(self.path), self.path.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(json.dumps(row) + "\n")
        for tracker in self.trackers:
            tracker.log_row(row)

    def size(self) -> int:
        """Bytes so far, on the disk."""
        if not self.writes or not self.path.exists():
            return 0
        flush_file(self.path)
        return self.path.stat().st_size

    def cut(self, size: int) -> None:
        """Drop the rows beyond `size` bytes."""
        if self.writes and self.path.exists():
            os.truncate(self.path, size)


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's log.jsonl."""
    return read_json_lines(folder / LOG)


class LaunchSpeed:
    """Times and rates of a launch as one rank sees them; the first rank writes them after every epoch."""

    def __init__(self, folder: Path, ranks: Ranks, started: float) -> None:
        self.path, self.ranks, self.started = folder / SPEED, ranks, started
        self.former = read_launches(folder)
        self.seconds_to: dict[Milestone, float] = {}
        self.phases: dict[str, dict[str, float]] = {}

    def reached(self, milestone: Milestone) -> None:
        """Record the first time that a milestone is reached."""
        if milestone in self.seconds_to:
            return
        self.seconds_to[milestone] = round(time.time() - self.started, 3)
        if milestone == "first_step":
            joined, ready, first = (self.seconds_to.get(name, 0.0) for name in ("joined", "ready", "first_step"))
            logger.info(
                "start-up (%s): connected after %.1f s, bars and networks loaded after %.1f s, first step after %.1f s",
                _processes(self.ranks.world), joined, ready, first,
            )  # fmt: skip

    def add_epoch(self, phase: str, windows: float, seconds: float) -> None:
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
    """The launches in a run's speed.json, oldest first; none where there is no such file."""
    path = folder / SPEED
    if not os.path.lexists(path):
        return []
    launches = read_json(path).get("launches", [])
    with reading(path, "the speeds of a training"):
        if not isinstance(launches, list):
            raise TypeError(f"launches: expected a list, found {type(launches).__name__}")
        for one in launches:
            speed_line([one])  # whatever a reader will need of it
    return launches


def speed_line(launches: Sequence[Mapping[str, Any]]) -> str | None:
    """The last launch in words; None where no step was made."""
    if not launches:
        return None
    last = launches[-1]
    rates = ", ".join(f"{phase} {rate:,.0f}" for phase, rate in last["windows_per_second_per_rank"].items())
    first = last["seconds_to"].get("first_step")
    after = "" if first is None else f", first step after {first:.1f} s"
    return f"speed: {_processes(last['ranks'])} on {last['device']}{after}; windows/s per process: {rates}"


def _processes(count: int) -> str:
    return f"{count} process{'' if count == 1 else 'es'}"


def check_trackers(names: Sequence[str]) -> None:
    """Raise ConfigError when a tracker's package is not installed."""
    for name in names:
        module, package = PACKAGES[name]
        try:
            import_module(module)
        except ImportError:
            raise ConfigError(
                f"train.trackers: {name}: the package {package} is not installed",
                hint=f"pip install 'kronos-quant[{name}]'",
            ) from None


def open_trackers(names: Sequence[str], folder: Path, comet: CometConfig | None = None) -> list[Tracker]:
    """The trackers named, for the run in `folder`. comet : the project and workspace for Comet.

    Raises ConfigError when a package is not installed, KronosQuantError when a tracker cannot start.
    """
    check_trackers(names)
    kinds: dict[str, Callable[[Path], Tracker]] = {
        "comet": partial(_Comet, config=comet or CometConfig.model_validate({})),
        "mlflow": _Mlflow,
        "tensorboard": _Tensorboard,
    }
    opened: list[Tracker] = []
    for name in names:
        try:
            opened.append(kinds[name](folder))
        except Exception as error:  # the packages raise their own types: no account, no server
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise KronosQuantError(
                f"train.trackers: {name} cannot start: {reason}",
                hint=f"set its environment variables (Comet: COMET_API_KEY), or remove {name} from train.trackers",
            ) from error
    return opened


def metric_values(row: dict[str, Any]) -> dict[str, float]:
    """A row's numbers as 'phase/split/name', without epoch and step."""
    place = f"{row['phase']}/{row['split']}/"
    return {
        f"{place}{name}": value
        for name, value in row.items()
        if isinstance(value, int | float) and name not in ("epoch", "step")
    }


class _Comet:
    """Comet ML. The experiment's key is derived from the run's name, so that a resumed run finds it again."""

    def __init__(self, folder: Path, config: CometConfig) -> None:
        comet = import_module("comet_ml")
        key = hashlib.sha256(folder.name.encode()).hexdigest()[:40]
        place = config.model_dump(exclude_none=True)
        self.experiment = comet.start(experiment_key=key, mode="get_or_create", **place)
        self.experiment.set_name(folder.name)

    def log_parameters(self, values: dict[str, Any]) -> None:
        self.experiment.log_parameters(values)

    def log_row(self, row: dict[str, Any]) -> None:
        self.experiment.log_metrics(metric_values(row), step=row["step"], epoch=row["epoch"])

    def close(self) -> None:
        self.experiment.end()


class _Mlflow:
    """MLflow. The run's id is stored in the run's folder."""

    def __init__(self, folder: Path) -> None:
        self.mlflow = import_module("mlflow")
        file = folder / MLFLOW_RUN
        begun = read_text(file).strip() if file.exists() else None
        run = self.mlflow.start_run(run_id=begun, run_name=None if begun else folder.name)
        self.new = begun is None
        if self.new:
            write_text(file, run.info.run_id + "\n")

    def log_parameters(self, values: dict[str, Any]) -> None:
        if self.new:  # MLflow refuses another value for one that it has
            self.mlflow.log_params(values)

    def log_row(self, row: dict[str, Any]) -> None:
        # MLflow allows letters, digits, _ - . / and spaces in a name
        self.mlflow.log_metrics(metric_values(row), step=row["step"])

    def close(self) -> None:
        self.mlflow.end_run()


class _Tensorboard:
    """TensorBoard event files in tensorboard/ of the run's folder."""

    def __init__(self, folder: Path) -> None:
        self.writer = import_module("torch.utils.tensorboard").SummaryWriter(str(folder / "tensorboard"))

    def log_parameters(self, values: dict[str, Any]) -> None:
        self.writer.add_text("parameters", "\n".join(f"    {name}: {value}" for name, value in values.items()))

    def log_row(self, row: dict[str, Any]) -> None:
        for name, value in metric_values(row).items():
            self.writer.add_scalar(name, value, row["step"])

    def close(self) -> None:
        self.writer.close()
