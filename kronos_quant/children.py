"""The one place that starts processes, which take no code from the current folder.

Python puts the current folder first on the path of `python -c` and `python -m`: a file queue.py in a workspace would be
imported in place of the standard library's. Every child starts with safe paths, and so does all that it starts.
"""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kronos_quant.system import choose_temporary_folder, end_at_parents_death, has_parent

if TYPE_CHECKING:
    from loky import ProcessPoolExecutor

PARENT_CHECK_SECONDS = 0.5
GIT_SECONDS = 10

Process = subprocess.Popen[bytes]

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
# a repository's own settings may name programs to run
_GIT_SETTINGS = {"core.fsmonitor": "false", "core.hooksPath": os.devnull, "diff.external": ""}


def child_environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child: this process's with safe paths, and with the changes."""
    environment = {**os.environ, **(changes or {}), "PYTHONSAFEPATH": "1"}
    # an empty entry is the current folder, wherever that is
    kept = [place for place in environment.get("PYTHONPATH", "").split(os.pathsep) if Path(place).is_absolute()]
    environment.pop("PYTHONPATH", None)
    return environment | ({"PYTHONPATH": os.pathsep.join(kept)} if kept else {})


@contextmanager
def inherited_environment(changes: Mapping[str, str] | None = None) -> Iterator[None]:
    """Inside the block children of libraries (torch's launcher, Ray) inherit `child_environment`."""
    former = dict(os.environ)
    _set_environment(child_environment(changes))
    try:
        yield
    finally:
        _set_environment(former)


def _set_environment(values: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(values)


def python_command(*arguments: str) -> list[str]:
    """The command line of this Python, with safe paths."""
    return [sys.executable, "-P", *arguments]


def start_python(code: str, *arguments: str, **pipes: Any) -> Process:
    """Run Python code in a process of its own, which ends with this one.

    Parameters
    ----------
    code
        What to run; trusted.
    arguments
        sys.argv[1:] of the code.
    pipes
        stdin, stdout and stderr of subprocess.Popen.
    """
    command = python_command("-c", _guarded(code), *arguments)
    return subprocess.Popen(command, env=child_environment(), **pipes)  # noqa: S603


def module_command(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module as `python -m` does, in a process that ends with this one.

    Parameters
    ----------
    module
        Its full name.
    arguments
        sys.argv[1:] of the module.
    """
    run = f"import runpy; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    return python_command("-c", _guarded(run), *arguments)


def _guarded(code: str) -> str:
    """Code that watches its parent, this process, before it imports anything slow."""
    return f"from kronos_quant.children import begin_child; begin_child({os.getpid()}); {code}"


@contextmanager
def answering_python(code: str) -> Iterator[Process]:
    """Run Python code that answers over its stdin and stdout, and kill it at the end of the block.

    code : what to run; trusted. What it writes to stderr is not shown.
    """
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    process = start_python(code, stdin=pipe, stdout=pipe, stderr=nowhere)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):  # what it did not read any more
                    stream.close()


@contextmanager
def process_pool(
    processes: int, initializer: Callable[..., None], arguments: Sequence[object]
) -> Iterator[ProcessPoolExecutor]:
    """Processes that run functions of this package on one thread each; they end with the block, or with this process.

    Parameters
    ----------
    processes
        How many.
    initializer, arguments
        A function that each runs first.
    """
    # loky starts clean processes that do not run the caller's script again, as those of multiprocessing would
    from multiprocessing import resource_tracker

    from loky import ProcessPoolExecutor
    from loky.backend import resource_tracker as loky_tracker

    with inherited_environment():  # processes that loky starts beside the workers
        for tracker in (resource_tracker, loky_tracker):
            tracker.ensure_running()
    # what the function needs is imported only after the process watches its parent
    begin = (os.getpid(), pickle.dumps((initializer, tuple(arguments))))
    pool = ProcessPoolExecutor(processes, initializer=_begin, initargs=begin, env=child_environment(_ONE_THREAD))
    try:
        yield pool
    finally:
        pool.shutdown(kill_workers=True)


def _begin(parent: int, pickled: bytes) -> None:
    # Ctrl-C reaches the whole group of processes: the parent alone answers it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    begin_child(parent)
    initializer, arguments = pickle.loads(pickled)  # noqa: S301 (of the parent)
    initializer(*arguments)


def cores() -> int:
    """The processors that this process may use, with the bounds that a container or a scheduler sets."""
    from loky import cpu_count

    return int(cpu_count())


def run_git(root: Path, *arguments: str) -> str:
    """What git prints about a repository; "" where it is not installed, fails, or takes too long."""
    # the filters that a repository configures are programs that `status` would run on its files
    filters = _git(root, {}, "config", "--name-only", "--get-regexp", r"^filter\.").splitlines()
    off = {name: "false" if name.endswith(".required") else "" for name in filters}
    return _git(root, _GIT_SETTINGS | off, *arguments)


def _git(root: Path, settings: Mapping[str, str], *arguments: str) -> str:
    program = shutil.which("git")
    if program is None or not Path(program).is_absolute():  # Windows looks into the current folder first
        return ""
    given = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    try:
        done = subprocess.run(  # noqa: S603
            [program, *given, "-C", str(root), *arguments],
            # GIT_DIR and its like, which git itself sets in a hook, would name another repository
            env={name: value for name, value in child_environment().items() if not name.startswith("GIT_")},
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def begin_child(parent: int) -> None:
    """What a child does first, before anything slow is imported. parent : the id of the process that started it"""
    end_with_parent(parent)
    choose_temporary_folder()


def end_with_parent(parent: int) -> None:
    """End this process as soon as `parent`, a process id, is no longer its parent: a killed parent cannot end it.

    The caller names the parent, which may be gone before this process can look. Called before anything slow is
    imported: where the system does not do it at once, a thread looks twice a second, and importing may hold it up.
    """
    end_at_parents_death()

    def watch() -> None:
        while has_parent(parent):
            time.sleep(PARENT_CHECK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
