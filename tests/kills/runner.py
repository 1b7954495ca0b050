"""Runs `kq` in forks of one process that has imported everything, and kills it at a chosen event of the file system.

A line on stdin is a JSON list of commands to run at the same time:
    {"folder", "arguments", "environment", "roots", "code", "kill_at", "full_at"}
and one on stdout the list of what became of them:
    {"code", "events", "out", "err"}

Events are what Python does under `roots`: a file opened for writing, a rename, a folder made, anything removed. Before
the event number `kill_at` the process kills itself (SIGKILL); from event number `full_at` on the disk is full.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
LATE = ("pandas", "exchange_calendars", "vectorbt", "lightgbm", "matplotlib.backends.backend_svg", "rich.console")
"""Imported inside functions: half of the processor time of a command."""
NEED_SPACE = {"open", "os.mkdir", "os.link", "os.truncate"}


class Watch:
    """Counts the events of this process, and kills it or fills its disk at one of them."""

    def __init__(self, job: dict[str, Any], log: Path) -> None:
        self.roots = tuple(job["roots"])
        self.kill_at, self.full_at = job.get("kill_at"), job.get("full_at")
        self.process, self.events = os.getpid(), 0
        self.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """The hook."""
        if os.getpid() != self.process or not self.concerns(event, arguments):
            return
        self.events += 1
        os.write(self.log, f"{event} {arguments[0]}\n".encode(errors="replace"))
        if self.events == self.kill_at:
            os.kill(self.process, signal.SIGKILL)
        if self.full_at is not None and self.events >= self.full_at and event in NEED_SPACE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))

    def concerns(self, event: str, arguments: tuple[Any, ...]) -> bool:
        """Whether an event changes what is under the roots."""
        if event == "open":
            path, mode, flags = arguments
            if not (isinstance(mode, str) and set(mode) & set("wax+")) and not flags & (os.O_WRONLY | os.O_RDWR):
                return False
        elif event in CHANGES:
            path = arguments[0]
            if arguments[-1] not in (-1, path) and event in ("os.remove", "os.rmdir"):  # below an open folder
                return True
        else:
            return False
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        return str(Path.cwd() / os.fsdecode(path)).startswith(self.roots)


def run(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run each command in a fork."""
    with tempfile.TemporaryDirectory() as held:
        children = {}
        for number, job in enumerate(jobs):
            paths = [Path(held, f"{name}{number}") for name in ("out", "err", "events")]
            for path in paths:
                path.touch()
            child = os.fork()
            if child == 0:
                _become(job, *paths)
            children[child] = paths
        return [
            {"code": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}
            | {"out": out.read_text(errors="replace"), "err": err.read_text(errors="replace")}
            | {"events": log.read_text(errors="replace").splitlines()}
            for child, (out, err, log) in children.items()
        ]


def _become(job: dict[str, Any], out: Path, err: Path, log: Path) -> None:
    code = 1
    try:
        os.setpgid(0, 0)
        for path, descriptor in ((out, 1), (err, 2)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
        os.chdir(job["folder"])
        os.environ.update(job.get("environment", {}))
        tempfile.tempdir = None
        sys.argv = ["kq", *job["arguments"]]
        from kq_cli.app import main

        exec(job["code"], {})
        sys.addaudithook(Watch(job, log))
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def preload(packages: list[str]) -> None:
    """Import what commands import when they run; nothing is computed, so that no thread is lost in a fork."""
    import importlib
    import pkgutil

    for package in packages:
        found = importlib.import_module(package)
        for module in pkgutil.walk_packages(found.__path__, f"{package}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    for name in LATE:
        importlib.import_module(name)


if __name__ == "__main__":
    preload(sys.argv[1:])
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
