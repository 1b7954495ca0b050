"""Commands killed at every event of the file system, repeated, and compared with an undisturbed run."""

from __future__ import annotations

import ctypes
import hashlib
import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from made import make_bars, weekdays

RUNNER = Path(__file__).parent / "kills" / "runner.py"
KILLED = -9
RUN_ID = re.compile(rb"\d{8}-\d{9}-[0-9a-f]{4}")
LEFT_OUT = {
    "manifest.json": {"id", "started", "finished", "process", "resumed", "command", "code"},
    "meta.json": {"created"},
    "card.json": {"created"},
    "metrics.json": {"computed", "present"},
}
"""JSON files that hold times, ids or how much was left to compute, and the keys that are left out of the comparison."""
OF_INGESTS = {"history.parquet", "rejected_bars.parquet", "contradicted_bars.parquet", "origins.parquet"}
"""Tables of a snapshot that name the ingests, of which a repeated one is another; compared without these columns."""
INGEST_COLUMNS = {"ingest", "finished", "recorded"}
NOT_COMPARED = {"market.duckdb", "market.duckdb.wal", "speed.json", "origin.json"}
"""The database holds times and is compared by what it publishes; the others hold speeds and times only."""
LOCK_THAT_STAYS = "db/ingest.lock"
CACHE_OF_TORCH = "torchinductor_"
"""Torch's own folder in the temporary one, of a fixed name for each user."""
DROP_RIGHT, RIGHTS_OVER_FILES = 24, (1, 2)
"""PR_CAPBSET_DROP of <sys/prctl.h>; CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""
LEFT = re.compile(r"(^|/)(\.partial-|\.pruned-|\.staged-|\.claims|[^/]*\.lock$|ingest\.holder$|[^/]*\.tmp(/|$))")
"""What nothing but a kill leaves."""


@dataclass(frozen=True)
class Outcome:
    """What became of one command."""

    code: int
    events: list[str]
    out: str
    err: str


def drop_rights() -> None:
    """Give up root's right to read and write all files, for the program that this process becomes."""
    for right in RIGHTS_OVER_FILES:
        ctypes.CDLL(None).prctl(DROP_RIGHT, right, 0, 0, 0)


class Kq:
    """`kq` in forks of a process that has imported everything."""

    def __init__(self, temp: Path, packages: Sequence[str], *, as_user: bool = False, code: str = "") -> None:
        """as_user : permissions count also where root runs the tests; code : what each fork runs before its command"""
        self.temp, self.code = temp, code
        self.process = subprocess.Popen(
            [sys.executable, str(RUNNER), *packages],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=drop_rights if as_user else None,
        )

    def __call__(self, folder: Path, *arguments: object, **job: Any) -> Outcome:
        """Run a command in a folder; job : kill_at, full_at."""
        return self.together(folder, arguments, **job)[0]

    def together(self, folder: Path, *commands: Sequence[object], **job: Any) -> list[Outcome]:
        """Run commands at the same time."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        job |= {"folder": str(folder), "roots": [str(folder), str(self.temp)], "code": self.code}
        job["environment"] = {"TMPDIR": str(self.temp), "COLUMNS": "200"}
        jobs = [job | {"arguments": [str(each) for each in arguments]} for arguments in commands]
        self.process.stdin.write(json.dumps(jobs) + "\n")
        self.process.stdin.flush()
        return [Outcome(**outcome) for outcome in json.loads(self.process.stdout.readline())]

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def leftovers(folder: Path) -> list[str]:
    """Staging files, locks and other things that nothing but a kill leaves."""
    found = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
    return sorted(path for path in found if LEFT.search(path) and path != LOCK_THAT_STAYS)


def contents(folder: Path) -> dict[str, str]:
    """Every file under a folder -> a digest of what has to be equal after a kill; runs by their order."""
    numbers: dict[str, int] = {}
    for kind in sorted((folder / "runs").glob("*")):
        for number, run in enumerate(sorted(kind.glob("[0-9]*"))):
            numbers[run.name] = number
    found: dict[str, str] = {}
    trials: set[str] = set()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or path.name in NOT_COMPARED or name == LOCK_THAT_STAYS:
            continue
        if path.parent.name == "trials":  # recorded again by a repeated run, and counted once
            trials |= set(pl.read_parquet(path)["trial"])
            continue
        shown = RUN_ID.sub(lambda match: b"#%d" % numbers.get(match[0].decode(), -1), name.encode()).decode()
        found[shown] = _digest(path)
    return found | {"trials": str(sorted(trials))}


def _digest(path: Path) -> str:
    if path.name in LEFT_OUT:
        held = json.loads(RUN_ID.sub(b"#", path.read_bytes()))
        return json.dumps({key: value for key, value in held.items() if key not in LEFT_OUT[path.name]})
    if path.name in OF_INGESTS:
        table = pl.read_parquet(path)
        kept = table.select(column for column in table.columns if column not in INGEST_COLUMNS).unique()
        return str(sorted(map(str, kept.rows())))
    return hashlib.sha256(RUN_ID.sub(b"#", path.read_bytes())).hexdigest()


def spaced(count: int, most: int | None) -> list[int]:
    """The events before which to kill: all, or `most` of them from the first to beyond the last; 1: a late one."""
    if most == 1:
        return [2 * count // 3]
    if most is None or most >= count + 1:
        return list(range(1, count + 2))
    return sorted({1 + round(step * count / (most - 1)) for step in range(most)})


@dataclass
class KillTest:
    """A command on copies of a workspace, always at the same place; `before` readies a copy."""

    kq: Kq
    base: Path
    place: Path
    before: Callable[[Path], object] = lambda folder: None

    def fresh(self) -> Path:
        """A new copy of the workspace."""
        for left in (self.place, *self.kq.temp.iterdir()):
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink(missing_ok=True)
        if self.base.is_dir():
            shutil.copytree(self.base, self.place)
        else:
            self.place.mkdir()
        self.before(self.place)
        return self.place

    def undisturbed(self, *arguments: object) -> tuple[int, dict[str, str]]:
        """The events of the command, and what it leaves."""
        whole = self.kq(self.fresh(), *arguments)
        assert whole.code == 0, whole.err
        assert (left := self.left()) == [], f"undisturbed, {arguments[:2]} left {left}"
        return len(whole.events), contents(self.place)

    def left(self) -> list[str]:
        """What a kill left in the workspace and in the temporary folder."""
        temporary = sorted(path.name for path in self.kq.temp.iterdir())
        return leftovers(self.place) + [name for name in temporary if not name.startswith(CACHE_OF_TORCH)]

    def killed(self, *arguments: object, most: int | None = None, done: str = "nothing") -> list[str]:
        """Kill the command before each event and repeat it; what was not as after an undisturbed run, in words.

        done : what a repetition may say that finds all done
        """
        events, expected = self.undisturbed(*arguments)
        wrong = []
        for at in spaced(events, most):
            killed = self.kq(self.fresh(), *arguments, kill_at=at)
            where = f"killed before event {at} of {events} ({(killed.events or ['none'])[-1]})"
            if killed.code != (KILLED if at <= events else 0):
                wrong.append(f"{where}: ended with {killed.code}: {killed.err}")
            if at <= events:
                again = self.kq(self.place, *arguments)
                if again.code != 0 and done not in again.err:
                    wrong.append(f"{where}: repeated, it ends with {again.code}: {again.err}")
                    continue
            wrong += [f"{where}: {words}" for words in self._unlike(expected)]
        return wrong

    def shaken(self, *arguments: object, seeds: Iterable[int], done: str = "nothing") -> list[str]:
        """Disturb the command one to three times at random events, by a kill or a full disk, then run it; as `killed`.

        seeds : one for each sequence of disturbances
        """
        events, expected = self.undisturbed(*arguments)
        wrong = []
        for seed in seeds:
            chance = random.Random(seed)
            steps = [
                (chance.choice(("kill_at", "full_at")), chance.randint(1, events)) for _ in range(chance.randint(1, 3))
            ]
            where = f"{arguments[:2]}, seed {seed} {steps}"
            self.fresh()
            for kind, at in [*steps, ("kill_at", None)]:
                last = self.kq(self.place, *arguments, **{kind: at})
                one_line = sum(line.startswith("error: ") for line in last.err.splitlines()) == 1
                if last.code == 0 or done in last.err:
                    break
                if (last.code != KILLED and not (last.code == 1 and one_line)) or "Traceback" in last.err:
                    wrong.append(f"{where}: {kind} {at} ended with {last.code}: {last.err}")
            else:
                wrong.append(f"{where}: repeated, it ends with {last.code}: {last.err}")
                continue
            wrong += [f"{where}: {words}" for words in self._unlike(expected)]
        return wrong

    def _unlike(self, expected: dict[str, str]) -> list[str]:
        wrong = [f"left: {left}"] if (left := self.left()) else []
        found = contents(self.place)
        names = found.keys() | expected.keys()
        differ = sorted(name for name in names if found.get(name) != expected.get(name))
        return [*wrong, f"other bytes: {differ}"] if differ else wrong

    def full(self, *arguments: object, most: int | None = None) -> list[str]:
        """Run the command on a disk that is full from each event on, then repeat it with space; as `killed`."""
        events, expected = self.undisturbed(*arguments)
        wrong = []
        for at in spaced(events, most)[:-1]:
            full = self.kq(self.fresh(), *arguments, full_at=at)
            where = f"full from event {at} of {events}"
            if full.code == 0:
                continue  # nothing that is needed was written from there on
            lines = full.err.strip().splitlines()
            if full.code != 1 or sum(line.startswith("error: ") for line in lines) != 1 or "Traceback" in full.err:
                wrong.append(f"{where}: ended with {full.code}: {full.err}")
            if self.left():
                wrong.append(f"{where}: left: {self.left()}")
            again = self.kq(self.place, *arguments)
            if again.code != 0:
                wrong.append(f"{where}: repeated, it ends with {again.code}: {again.err}")
            elif contents(self.place) != expected:
                wrong.append(f"{where}: other bytes")
        return wrong


def write_csv(folder: Path, factor: float = 1.0, rows: int = 60) -> None:
    """Bars of three symbols; `factor` restates the later half of the closes."""
    bars = make_bars(["AAA", "BBB", "CCC"], weekdays(rows))
    late = pl.col("date") > bars["date"].unique().sort()[rows // 2]
    close = pl.when(late).then(pl.col("close") * factor).otherwise("close")
    shown = bars.with_columns(close, pl.col("date").alias("timestamps")).select(
        "timestamps", "symbol", "open", "high", "low", "close", "volume", "amount"
    )
    shown.write_csv(folder / "bars.csv")


def sessions(folder: Path) -> list[str]:
    """The sessions of a workspace, as text."""
    from kronos_quant.market import open_market

    return [str(on) for on in open_market(folder).sessions()]
