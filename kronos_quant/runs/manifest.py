"""manifest.json: what a run was made of, so that it can be made again.

Times are UTC. `code` is the package's version and, in a git checkout, the commit; `dirty` says that tracked files
differ from it.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from kronos_quant import __version__
from kronos_quant.children import run_git
from kronos_quant.owners import is_gone, this_process

_PACKAGES = (
    "torch", "numpy", "polars", "duckdb", "pyarrow", "pandas", "vectorbt", "numba", "quantstats", "pyqlib",
    "exchange-calendars", "pydantic", "safetensors", "scipy", "statsmodels", "lightgbm",
)  # fmt: skip
_COMMIT = "# branch.oid "
"""Begins git's line with the commit."""

RUNNING, FINISHED, KILLED = "running", "finished", "killed"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a run read: the bars' snapshot, the weights, the seeds."""

    snapshot: str | None = None
    weights: str | None = None
    seeds: dict[str, int] = field(default_factory=dict)


def new_manifest(kind: str, run_id: str, inputs: Inputs) -> dict[str, Any]:
    """The manifest of a run that starts now."""
    return {
        "kind": kind,
        "id": run_id,
        "status": RUNNING,
        "process": this_process(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "finished": None,
        "inputs": asdict(inputs),
        "code": _code_version(),
        "packages": package_versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def status_of(manifest: Mapping[str, Any]) -> str:
    """The status in a manifest; `killed` where it says `running` and the process is known to have ended."""
    status, process = str(manifest["status"]), manifest.get("process")
    return KILLED if status == RUNNING and isinstance(process, str) and is_gone(process) else status


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that decide a result; a missing one is 'missing'."""
    return {name: _version(name) for name in _PACKAGES}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"


def _code_version() -> dict[str, Any]:
    root = Path(__file__).parents[2]
    version: dict[str, Any] = {"version": __version__}
    if (root / ".git").exists():
        lines = run_git(root, "status", "--porcelain=v2", "--branch", "--untracked-files=no").splitlines()
        commits = [line.removeprefix(_COMMIT) for line in lines if line.startswith(_COMMIT)]
        if commits:
            version |= {"commit": commits[0], "dirty": not all(line.startswith("#") for line in lines)}
    return version
