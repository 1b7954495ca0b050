"""`kq doctor`: what is here, what is missing, and the command that mends it."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from kronos_quant import __version__
from kronos_quant.config import SCRATCH
from kronos_quant.errors import KronosQuantError, counted
from kronos_quant.runs import finished_runs, package_versions
from kronos_quant.workspace import WorkspaceFolder, open_workspace_folder

State = Literal["ok", "note", "missing"]

LEAST_FREE_BYTES = 5 * 2**30


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `mend` is the command that helps."""

    about: str
    state: State
    detail: str
    mend: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The finding for people, and below it what mends it."""
        told = f"{self.state:<8} {self.about:<14} {self.detail}"
        return [told, f"{'':<8} {'':<14} mend: {self.mend}"] if self.mend else [told]


def examine(start: Path | None = None) -> list[Finding]:
    """Look at the machine and at the workspace that holds `start`; never raises for what is merely missing."""
    findings = [*_machine(start or Path.cwd())]
    try:
        workspace = open_workspace_folder(start)
    except KronosQuantError as error:
        return [*findings, Finding("workspace", "missing", str(error), error.hint or "")]
    findings.append(Finding("workspace", "ok", str(workspace.root)))
    return [*findings, *_market(workspace), *_weights(workspace)]


def _machine(folder: Path) -> Iterator[Finding]:
    yield Finding("kronos-quant", "ok", f"{__version__} on Python {platform.python_version()}, {platform.system()}")
    versions = package_versions()
    missing = [name for name, version in versions.items() if version == "missing"]
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    yield Finding("packages", "missing" if missing else "ok", told, "pip install kronos-quant" if missing else "")
    yield _device()
    free = shutil.disk_usage(folder).free
    enough = free >= LEAST_FREE_BYTES
    yield Finding("disk", "ok" if enough else "note", f"{free / 2**30:.0f} GiB free", "" if enough else "free space")


def _device() -> Finding:
    import torch

    threads = f"{torch.get_num_threads()} CPU threads"
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        return Finding("device", "ok", f"{names}; {threads}")
    return Finding("device", "ok", f"no GPU; {threads}")


def _market(workspace: WorkspaceFolder) -> Iterator[Finding]:
    from kronos_quant.market import workspace_market

    config = workspace.config.market
    try:
        market = workspace_market(workspace)
    except KronosQuantError as error:
        mend = "kq ingest qlib" if config.qlib_dir.expanduser().is_dir() else "kq ingest csv FILE, or kq demo"
        yield Finding("bars", "missing", str(error), mend)
        return
    sessions, instruments = market.sessions(), market.instruments()
    yield Finding(
        "bars",
        "ok",
        f"{market.freq} bars of {counted(instruments.height, 'symbol')}, {counted(len(sessions), 'session')} "
        f"from {sessions[0]} to {sessions[-1]}, snapshot {market.snapshot.digest[:16]}",
    )
    upcoming = market.next_times(market.last_time(), 1)
    if not market.exchange:
        detail = "the exchange is not known: future sessions are taken to be weekdays"
        yield Finding(
            "calendar", "note", detail, "set market.exchange in kq.yaml (XSHG, XNYS, XHKG, 24/7), ingest again"
        )
    elif upcoming.estimated[0]:
        detail = f"{market.exchange}: the next bar lies beyond the known sessions: weekdays stand in"
        yield Finding("calendar", "note", detail, "pip install --upgrade exchange-calendars")
    else:
        yield Finding("calendar", "ok", f"{market.exchange}; next bar ends {upcoming.times[0]}")


def _weights(workspace: WorkspaceFolder) -> Iterator[Finding]:
    from kronos_quant.model import find_model

    model = workspace.config.model
    if model.base == SCRATCH:
        yield Finding("base weights", "ok", f"none needed: training starts from scratch ({model.preset})")
    else:
        place = find_model(model.base, workspace.models)
        if place is not None:
            yield Finding("base weights", "ok", f"{model.base} in {place}")
        else:
            detail = f"{model.base} is not in {workspace.models}: training would ask the Hub"
            mend = "put them into models/, or set `model: {base: scratch, preset: nano}` in kq.yaml"
            yield Finding("base weights", "note", detail, mend)
    trained = finished_runs(workspace.runs, "train")
    if trained:
        yield Finding("trained model", "ok", f"{len(trained)}, the newest {trained[-1].id}")
    else:
        yield Finding("trained model", "missing", "none yet", "kq train")
