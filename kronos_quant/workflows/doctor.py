"""`kq doctor`: what is installed, what is missing, and how to fix it."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kronos_quant import __version__
from kronos_quant.config import SCRATCH
from kronos_quant.errors import KronosQuantError, counted
from kronos_quant.inputs import PathLike, as_path
from kronos_quant.paths import GRANT_READING
from kronos_quant.runs import finished_runs, package_versions
from kronos_quant.schema import DAILY
from kronos_quant.workspace import WorkspaceFolder, open_workspace_folder

if TYPE_CHECKING:
    from kronos_quant.market import Market

State = Literal["ok", "note", "missing"]

LEAST_FREE_BYTES = 5 * 2**30


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """One line of the report; `fix` is a command, or one sentence, that fixes a problem."""

    about: str
    state: State
    detail: str
    fix: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)

    def rows(self) -> list[tuple[str, str, str]]:
        """The finding for people, and below it the fix."""
        rows: list[tuple[str, str, str]] = [(self.state, self.about, self.detail)]
        return [*rows, ("", "", f"fix: {self.fix}")] if self.fix else rows


def check_installation(start: PathLike | None = None) -> list[DoctorFinding]:
    """Check the machine and the workspace that holds `start` (default: the current folder); raises for nothing."""
    folder = Path.cwd() if start is None else as_path(start, "start")
    findings = [*_machine(folder)]
    try:
        workspace = open_workspace_folder(folder)
    except KronosQuantError as error:
        return [*findings, DoctorFinding("workspace", "missing", str(error), error.hint or "")]
    findings.append(DoctorFinding("workspace", "ok", str(workspace.root)))
    return [
        *findings,
        *_damaged(workspace),
        *_readable("bars", _market, workspace),
        *_readable("models", _weights, workspace),
    ]


def repair_workspace(start: PathLike | None = None) -> tuple[list[str], int]:
    """What `kq doctor --repair` did in the workspace that holds `start`, and how many damaged files are left."""
    from kronos_quant.workflows.damage import find_damage, repair_damage
    from kronos_quant.workflows.leftovers import remove_leftovers

    workspace = open_workspace_folder(Path.cwd() if start is None else as_path(start, "start"))
    try:
        done = [f"removed {path}" for path in remove_leftovers(workspace)]
    except (KronosQuantError, OSError) as error:  # damaged files are mended all the same
        done = [f"not removed: {error}"]
    done += repair_damage(workspace)
    left = find_damage(workspace)
    return [*done, *(f"still damaged: {one.why}" for one in left)], len(left)


def _damaged(workspace: WorkspaceFolder) -> Iterator[DoctorFinding]:
    from kronos_quant.workflows.damage import find_damage

    for one in find_damage(workspace):
        yield DoctorFinding("damaged", "missing", one.why, one.fix)


def _machine(folder: Path) -> Iterator[DoctorFinding]:
    yield DoctorFinding(
        "kronos-quant", "ok", f"{__version__} on Python {platform.python_version()}, {platform.system()}"
    )
    versions = package_versions()
    missing = [name for name, version in versions.items() if version == "missing"]
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    yield DoctorFinding(
        "packages", "missing" if missing else "ok", listed, "pip install kronos-quant" if missing else ""
    )
    yield _device()
    free = shutil.disk_usage(folder).free
    enough = free >= LEAST_FREE_BYTES
    yield DoctorFinding(
        "disk", "ok" if enough else "note", f"{free / 2**30:.0f} GiB free", "" if enough else "free disk space"
    )


def _device() -> DoctorFinding:
    import torch

    threads = counted(torch.get_num_threads(), "CPU thread")
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        return DoctorFinding("device", "ok", f"{names}; {threads}")
    return DoctorFinding("device", "ok", f"no GPU; {threads}")


def _readable(
    about: str, look: Callable[[WorkspaceFolder], Iterator[DoctorFinding]], workspace: WorkspaceFolder
) -> list[DoctorFinding]:
    """What one look at the workspace finds; about : the finding of one that an error ends."""
    try:
        return list(look(workspace))
    except KronosQuantError as error:
        return [DoctorFinding(about, "missing", str(error), error.hint or "")]
    except PermissionError as error:
        return [DoctorFinding(about, "missing", f"{error.filename}: may not be read", GRANT_READING)]


def _market(workspace: WorkspaceFolder) -> Iterator[DoctorFinding]:
    from kronos_quant.market import workspace_market

    config = workspace.config.market
    try:
        market = workspace_market(workspace)
    except KronosQuantError as error:
        fix = "kq ingest qlib" if config.qlib_dir.expanduser().is_dir() else "kq ingest csv FILE"
        yield DoctorFinding("bars", "missing", str(error), fix)
        return
    sessions, instruments = market.sessions(), market.instruments()
    yield DoctorFinding(
        "bars",
        "ok",
        f"{market.freq} bars of {counted(instruments.height, 'symbol')}, {counted(len(sessions), 'session')} "
        f"from {sessions[0]} to {sessions[-1]}, snapshot {market.snapshot.digest[:16]}",
    )
    yield _calendar(market)
    paid = market.dividends()
    if len(paid):
        dates, symbols = paid["ex_date"].sort(), paid["symbol"].n_unique()
        found = f"{counted(len(paid), 'ex-date')} of {counted(symbols, 'symbol')}, {dates[0]} to {dates[-1]}"
        yield DoctorFinding("dividends", "ok", found)


def _calendar(market: Market) -> DoctorFinding:
    """Whether the next bar's session is known."""
    upcoming, known = market.next_times(market.last_time(), 1), market.calendar()
    if known is None or (not market.exchange and upcoming.estimated[0]):
        detail = "exchange unknown: future sessions are estimated from recent weekdays"
        fix = "set market.exchange in kq.yaml (XSHG, XNYS, XHKG or 24/7), then ingest again"
        return DoctorFinding("calendar", "note", detail, fix)
    name = market.exchange or "calendar of the workspace"
    if upcoming.estimated[0]:
        detail = f"{name}: the calendar ends before the next bar; weekdays are used instead"
        fix = "upgrade exchange-calendars and ingest again, or give the sessions with kq ingest calendar FILE"
        return DoctorFinding("calendar", "note", detail, fix)
    first = upcoming.times[0]
    following = f"next session {first:%Y-%m-%d}" if market.freq == DAILY else f"next bar ends {first}"
    return DoctorFinding("calendar", "ok", f"{name}; {following}; sessions known until {known.dates[-1]}")


def _weights(workspace: WorkspaceFolder) -> Iterator[DoctorFinding]:
    from kronos_quant.model import find_model

    model = workspace.config.model
    if model.base == SCRATCH:
        yield DoctorFinding("base weights", "ok", f"not needed: training starts from scratch (preset {model.preset})")
    else:
        place = find_model(model.base, workspace.models)
        if place is not None:
            yield DoctorFinding("base weights", "ok", f"{model.base} in {place}")
        else:
            detail = f"{model.base} is not in {workspace.models}; training would download it from the Hub"
            fix = "copy the weights into models/, or set model.base: scratch in kq.yaml"
            yield DoctorFinding("base weights", "note", detail, fix)
    trained = finished_runs(workspace.runs, "train")
    if trained:
        yield DoctorFinding("trained model", "ok", f"{len(trained)}; newest: {trained[-1].id}")
    else:
        yield DoctorFinding("trained model", "missing", "none", "kq train")
