"""runs/<kind>/<id>/: written aside and renamed when a run is short, filled in place when it is long.

A staged run appears only when it is finished. A long run (training) is there from its start, because the checkpoints
it leaves on its way are worth keeping; its manifest says `running`, then `finished`, `interrupted` or `failed`. One
that was killed says `running`: it is resumed, or removed by the next run where it holds nothing worth keeping.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from filelock import Timeout
from pydantic import BaseModel

from kronos_quant.errors import ConfigError, DataError, KronosQuantError
from kronos_quant.files import abandoned, discard, disk_errors, write_aside, write_json, write_text
from kronos_quant.locks import held_lock, remove_stale
from kronos_quant.owners import this_process
from kronos_quant.readers import REPAIR, pass_over, read_json
from kronos_quant.runs.manifest import FINISHED, KILLED, RUNNING, Inputs, new_manifest, status_of

if TYPE_CHECKING:
    import polars as pl

MANIFEST = "manifest.json"
METRICS = "metrics.json"
CONFIG = "config.yaml"


@dataclass(frozen=True, slots=True)
class Run:
    """A run's folder, being filled or finished. `path` is its final place, `folder` where to write now."""

    kind: str
    id: str
    path: Path
    folder: Path

    def manifest(self) -> dict[str, Any]:
        """The manifest as it stands."""
        path = self.folder / MANIFEST
        loaded = read_json(path, hint=REPAIR)
        wrong = [name for name in ("kind", "id", "status") if not isinstance(loaded.get(name), str)]
        if wrong:
            raise DataError(f"{path}: {wrong[0]}: expected text, found {loaded.get(wrong[0])!r}", hint=REPAIR)
        return loaded

    def metrics(self) -> dict[str, Any]:
        """metrics.json of a finished run."""
        return read_json(self.folder / METRICS, hint=REPAIR)

    def write_config(self, sections: dict[str, BaseModel]) -> None:
        """Write the fully resolved configuration: running it again gives the same run."""
        values = {name: section.model_dump(mode="json") for name, section in sections.items()}
        write_text(self.folder / CONFIG, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))

    def write_metrics(self, metrics: dict[str, Any]) -> None:
        """Write metrics.json."""
        write_json(self.folder / METRICS, metrics)

    def close(self, status: str) -> None:
        """Record how the run ended."""
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        ended = {"status": status, "process": None, "finished": finished}
        write_json(self.folder / MANIFEST, self.manifest() | ended)


@contextmanager
def staged_run(runs: Path, kind: str, inputs: Inputs) -> Iterator[Run]:
    """A run that appears under `runs`/`kind` when the block ends well, and not at all otherwise.

    Parameters
    ----------
    runs, kind
        The workspace's folder of runs, and the folder in it.
    inputs
        Digests of what the run is made from.
    """
    run_id = _new_id()
    path = runs / kind / run_id
    with write_aside(path) as folder:
        folder.mkdir(parents=True)
        run = Run(kind, run_id, path, folder)
        write_json(folder / MANIFEST, new_manifest(kind, run_id, inputs))
        yield run
        run.close(FINISHED)


@contextmanager
def start_run(runs: Path, kind: str, inputs: Inputs, keep: Sequence[str]) -> Iterator[Run]:
    """A run that is there from its start.

    Parameters
    ----------
    runs, kind
        The workspace's folder of runs, and the folder in it.
    inputs
        Digests of what the run is made from.
    keep
        After a failure the run stays only if it holds one of these (relative paths).
    """
    remove_killed(runs, kind, keep)
    run = _new_run(runs, kind)
    with _closed(run, keep):
        _begin(run, inputs)
        yield run


@contextmanager
def prepare_run(runs: Path, kind: str, inputs: Inputs) -> Iterator[Run]:
    """A run that another program fills after the block; it is finished only after `continue_run` has resumed it.

    Parameters
    ----------
    runs, kind
        The workspace's folder of runs, and the folder in it.
    inputs
        Digests of what the run is made from.
    """
    run = _new_run(runs, kind)
    _begin(run, inputs)
    try:
        yield run
        # it is no longer of this process, which may end before the other program begins
        write_json(run.folder / MANIFEST, run.manifest() | {"process": None})
    except BaseException:
        discard(run.path)
        raise


@contextmanager
def continue_run(run: Run, keep: Sequence[str]) -> Iterator[Run]:
    """An unfinished run, resumed; its manifest counts how often."""
    with _closed(run, keep):
        manifest = run.manifest()
        again = {"status": RUNNING, "process": this_process(), "finished": None}
        again["resumed"] = manifest.get("resumed", 0) + 1
        write_json(run.folder / MANIFEST, manifest | again)
        yield run


@contextmanager
def held_run(run: Run, refusal: KronosQuantError) -> Iterator[None]:
    """Keep other processes from filling a run meanwhile; raises `refusal` where one does already.

    The system lets go of a run when the process ends, in whatever way.
    """
    with ExitStack() as holding:
        try:
            holding.enter_context(held_lock(run.path.with_name(f".{run.id}.lock")))
        except Timeout:
            raise refusal from None
        yield


@contextmanager
def _closed(run: Run, keep: Sequence[str]) -> Iterator[None]:
    """Record how the run ended, or remove it when it failed before it held anything worth keeping."""
    try:
        with disk_errors(run.path):
            yield
        run.close(FINISHED)
    except BaseException as error:
        if any((run.path / name).exists() for name in keep):
            run.close("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
        else:
            discard(run.path)
        raise


def remove_killed(runs: Path, kind: str, keep: Sequence[str]) -> list[Path]:
    """Remove the runs of `killed_runs` and the locks that killed processes left; returns what was removed.

    Parameters
    ----------
    runs, kind
        The workspace's folder of runs, and the folder in it.
    keep
        A run that holds one of these stays (relative paths).
    """
    removed = remove_stale(runs.glob(f"{kind}/.[0-9]*.lock"))
    elsewhere = KronosQuantError("resumed meanwhile")
    for run in killed_runs(runs, kind, keep):
        with suppress(KronosQuantError), held_run(run, elsewhere):
            if status_of(run.manifest()) == KILLED:
                discard(run.path)
                removed.append(run.path)
    return removed


def killed_runs(runs: Path, kind: str, keep: Sequence[str]) -> list[Run]:
    """The runs of a kind that were killed before they held anything worth keeping: one of `keep` (relative paths).

    Parameters
    ----------
    runs, kind
        The workspace's folder of runs, and the folder in it.
    keep
        Relative paths of a run's folder.
    """
    killed = [run for run, manifest in _runs(runs, kind) if status_of(manifest) == KILLED]
    return [run for run in killed if not _holds(run, keep)]


def _holds(run: Run, keep: Sequence[str]) -> bool:
    """Whether a run holds one of `keep`; a folder with nothing but what a killed process left is none."""
    for path in (run.path / name for name in keep):
        if path.is_file() or (path.is_dir() and {*path.iterdir()} - {*abandoned(path)}):
            return True
    return False


def _new_run(runs: Path, kind: str) -> Run:
    run_id = _new_id()
    path = runs / kind / run_id
    return Run(kind, run_id, path, path)


def _begin(run: Run, inputs: Inputs) -> None:
    with write_aside(run.path) as folder:
        folder.mkdir()
        write_json(folder / MANIFEST, new_manifest(run.kind, run.id, inputs))


def finished_runs(runs: Path, kind: str) -> list[Run]:
    """The finished runs of a kind, oldest first."""
    return [run for run, manifest in _runs(runs, kind) if manifest["status"] == FINISHED]


def unfinished_runs(runs: Path, kind: str) -> list[Run]:
    """The runs of a kind that are running, were killed, interrupted or failed, oldest first."""
    return [run for run, manifest in _runs(runs, kind) if manifest["status"] != FINISHED]


def list_runs(runs: Path, kind: str | None = None) -> pl.DataFrame:
    """The runs in a folder of runs, newest first: kind, id, started and finished (UTC), status, folder.

    kind : train, signal, backtest, ...; None: all. Raises ConfigError for a kind of which there is none.
    """
    import polars as pl

    kinds = sorted(path.parent.parent.name for path in runs.glob(f"*/[0-9]*/{MANIFEST}"))
    if kind is not None and kind not in kinds:
        raise ConfigError(f"kind: expected {' or '.join(dict.fromkeys(kinds)) or 'none: no runs yet'}, found {kind!r}")
    found = [each for name in dict.fromkeys(kinds) for each in _runs(runs, name)]
    manifests = [manifest | {"status": status_of(manifest)} for _, manifest in found]
    moment = pl.Datetime("us", "UTC")
    rows = {
        name: pl.Series([manifest.get(name) for manifest in manifests], dtype=pl.String)
        for name in ("kind", "id", "started", "finished", "status")
    }
    table = pl.DataFrame(rows | {"folder": pl.Series([str(run.path) for run, _ in found], dtype=pl.String)})
    wanted = table if kind is None else table.filter(pl.col("kind") == kind)
    return wanted.with_columns(pl.col("started", "finished").str.to_datetime(time_zone="UTC").cast(moment)).sort(
        "id", descending=True
    )


def _runs(runs: Path, kind: str) -> list[tuple[Run, dict[str, Any]]]:
    """The runs of a kind with their manifests, oldest first; one that cannot be read is named and left out."""
    found = []
    for path in sorted((runs / kind).glob("[0-9]*")):
        if not path.is_dir():
            continue
        run = Run(kind, path.name, path, path)
        try:
            found.append((run, run.manifest()))
        except DataError as error:
            pass_over(error)
    return found


def _new_id() -> str:
    """A name that sorts by time: date, time to the millisecond (UTC), and a few letters against a clash."""
    now = datetime.now(UTC)
    return f"{now:%Y%m%d-%H%M%S}{now.microsecond // 1000:03d}-{uuid.uuid4().hex[:4]}"
