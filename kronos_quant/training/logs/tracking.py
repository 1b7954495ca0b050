"""Optional experiment trackers behind one small interface; log.jsonl is always written besides.

Where a tracker sends its rows, and the account it uses, is set by its own environment variables (COMET_API_KEY,
COMET_PROJECT_NAME, MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME, ...): no secret is read from or written to a file. A
resumed training goes on in the experiment that it began.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from kronos_quant.errors import ConfigError, KronosQuantError
from kronos_quant.files import write_text

PACKAGES = {"comet": ("comet_ml", "comet-ml"), "mlflow": ("mlflow", "mlflow"), "tensorboard": ("tensorboard",) * 2}
"""Tracker -> the module it needs, and the package that brings it."""
MLFLOW_RUN = "mlflow_run.txt"


class Tracker(Protocol):
    """What every tracker can do."""

    def parameters(self, values: dict[str, Any]) -> None:
        """Note the settings of the run."""

    def metrics(self, row: dict[str, Any]) -> None:
        """Note a row of the log."""

    def close(self) -> None:
        """Send what is left."""


def open_trackers(names: tuple[str, ...], folder: Path) -> list[Tracker]:
    """The trackers named, for the run in `folder`.

    Raises ConfigError when a package is not installed, KronosQuantError when a tracker cannot begin.
    """
    check_trackers(names)
    kinds: dict[str, Callable[[Path], Tracker]] = {
        "comet": CometTracker,
        "mlflow": MlflowTracker,
        "tensorboard": TensorboardTracker,
    }
    opened: list[Tracker] = []
    for name in names:
        try:
            opened.append(kinds[name](folder))
        except Exception as error:  # the packages raise their own types: no account, no server
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise KronosQuantError(
                f"train.trackers: {name} cannot begin: {reason}",
                hint="set its environment variables, or remove it from train.trackers",
            ) from error
    return opened


def check_trackers(names: tuple[str, ...]) -> None:
    """Raise ConfigError when a tracker's package is not installed."""
    for name in names:
        module, package = PACKAGES[name]
        try:
            import_module(module)
        except ImportError:
            raise ConfigError(
                f"train.trackers: {name}: the package {package} is not installed",
                hint=f"pip install 'kronos-quant[{name}]', or remove it from train.trackers",
            ) from None


def named_metrics(row: dict[str, Any]) -> dict[str, float]:
    """A row's numbers as 'phase/split/name', without its place in the training."""
    place = f"{row['phase']}/{row['split']}/"
    return {
        f"{place}{name}": value
        for name, value in row.items()
        if isinstance(value, int | float) and name not in ("epoch", "step")
    }


class CometTracker:
    """Comet ML. The experiment's key is made of the run's name, so that a resumed run finds it again."""

    def __init__(self, folder: Path) -> None:
        comet = import_module("comet_ml")
        key = hashlib.sha256(folder.name.encode()).hexdigest()[:40]
        self.experiment = comet.start(experiment_key=key, mode="get_or_create")
        self.experiment.set_name(folder.name)

    def parameters(self, values: dict[str, Any]) -> None:
        """Note the settings of the run."""
        self.experiment.log_parameters(values)

    def metrics(self, row: dict[str, Any]) -> None:
        """Note a row of the log."""
        self.experiment.log_metrics(named_metrics(row), step=row["step"], epoch=row["epoch"])

    def close(self) -> None:
        """Send what is left."""
        self.experiment.end()


class MlflowTracker:
    """MLflow. The run's id is kept beside the log."""

    def __init__(self, folder: Path) -> None:
        self.mlflow = import_module("mlflow")
        noted = folder / MLFLOW_RUN
        begun = noted.read_text(encoding="utf-8").strip() if noted.exists() else None
        run = self.mlflow.start_run(run_id=begun, run_name=None if begun else folder.name)
        self.new = begun is None
        if self.new:
            write_text(noted, run.info.run_id + "\n")

    def parameters(self, values: dict[str, Any]) -> None:
        """Note the settings of a new run: MLflow refuses another value for one that it has."""
        if self.new:
            self.mlflow.log_params(values)

    def metrics(self, row: dict[str, Any]) -> None:
        """Note a row of the log."""
        # a name may hold no more than letters, digits, _ - . / and spaces
        self.mlflow.log_metrics(named_metrics(row), step=row["step"])

    def close(self) -> None:
        """Send what is left."""
        self.mlflow.end_run()


class TensorboardTracker:
    """TensorBoard event files in tensorboard/ of the run's folder."""

    def __init__(self, folder: Path) -> None:
        self.writer = import_module("torch.utils.tensorboard").SummaryWriter(str(folder / "tensorboard"))

    def parameters(self, values: dict[str, Any]) -> None:
        """Note the settings of the run."""
        self.writer.add_text("parameters", "\n".join(f"    {name}: {value}" for name, value in values.items()))

    def metrics(self, row: dict[str, Any]) -> None:
        """Note a row of the log."""
        for name, value in named_metrics(row).items():
            self.writer.add_scalar(name, value, row["step"])

    def close(self) -> None:
        """Send what is left."""
        self.writer.close()
