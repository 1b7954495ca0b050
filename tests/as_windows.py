"""Runs `kq` as far as possible as on Windows; `all` as argument: with every library loaded.

A line on stdin is a job in JSON: [folder, arguments] runs a command and answers [code, stdout, stderr],
{"read": folder} keeps the market of a workspace open, {} lets go of it, null imports every module and answers how many.

What only POSIX has is gone, a file or folder that is open can be neither removed nor renamed nor replaced, and only
what is open for writing can be flushed. Not simulated: paths, encodings of the system, processes, other libraries.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import platform
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

OF_BARS = (
    "polars", "duckdb", "pyarrow.parquet", "numpy", "loky", "filelock", "psutil", "typer", "rich.table",
    "pydantic_settings", "exchange_calendars", "yaml",
)  # fmt: skip
OF_ALL = (
    *OF_BARS, "pandas", "scipy.stats", "numba", "matplotlib.pyplot", "multiprocessing.pool", "jinja2", "torch",
    "statsmodels.api", "lightgbm", "vectorbt", "quantstats", "torch.distributed.launcher.api",
)  # fmt: skip
"""What is imported as on this system: other libraries know the real Windows better than this file does."""
MODULES = ("fcntl", "resource", "pwd", "grp", "termios", "posix", "pty", "syslog")
CALLS = (
    "fork", "forkpty", "getuid", "geteuid", "getgid", "getegid", "getgroups", "setsid", "setpgid", "getpgid",
    "killpg", "sched_getaffinity", "fchdir", "mkfifo", "mknod", "chown", "lchown", "nice", "wait", "sysconf",
    "uname", "getloadavg",
)  # fmt: skip
SIGNALS = ("SIGKILL", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGPIPE", "setitimer", "alarm")


def open_paths() -> Iterator[str]:
    """What this process has open or mapped."""
    for entry in os.scandir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            yield str(Path(entry.path).readlink())
    for line in Path("/proc/self/maps").read_text().splitlines():
        yield line[73:]


def refuse_open(function: Callable[..., Any]) -> Callable[..., Any]:
    """A removal or renaming that fails for what is open."""

    def call(path: Any, *others: Any, **options: Any) -> Any:
        given = [path, *(other for other in others if isinstance(other, str | Path))]
        named = [os.path.realpath(os.fspath(one)) for one in given] if options.get("dir_fd") is None else []
        for held in open_paths():
            if any(held == name or held.startswith(f"{name}/") for name in named):
                raise PermissionError(13, "The process cannot access the file: it is being used", held)
        return function(path, *others, **options)

    return call


def become_windows(others: tuple[str, ...]) -> None:
    """Take away what Windows does not have. others : libraries that are imported before"""
    for name in others:
        importlib.import_module(name)
    platform.platform(), platform.uname(), platform.system()
    import fcntl

    flags, flush = fcntl.fcntl, os.fsync

    def fsync(descriptor: int) -> None:
        if flags(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(9, "Bad file descriptor")
        flush(descriptor)

    os.fsync = fsync
    for name in ("rename", "replace", "remove", "unlink", "rmdir"):
        setattr(os, name, refuse_open(getattr(os, name)))
    shutil._use_fd_functions = False
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    for module, names in ((os, CALLS), (signal, SIGNALS), (time, ("tzset",))):
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    real = sys.platform
    sys.platform = "win32"
    importlib.import_module("kronos_quant.system")
    sys.platform = real


def run(folder: str, arguments: list[str]) -> tuple[int, str, str]:
    """One command in a folder."""
    from kq_cli.app import main

    os.chdir(folder)
    sys.argv = ["kq", *arguments]
    # a Chinese console
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="cp936", write_through=True) for _ in range(2)]
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    return code, *(stream.buffer.getvalue().decode("cp936") for stream in streams)  # type: ignore[attr-defined]


def import_all() -> int:
    """Import every module of the package; returns how many."""
    count = 0
    for package in ("kronos_quant", "kq_cli"):
        found = importlib.import_module(package)
        for module in pkgutil.walk_packages(found.__path__, f"{package}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
                count += 1
    return count


def answer(job: Any) -> Any:
    """Do a job of stdin."""
    if job is None:
        return import_all()
    if isinstance(job, list):
        return run(*job)
    readers.clear()
    gc.collect()
    if job:
        from kronos_quant.market import open_market

        readers.append(open_market(job["read"]))
    return 0


readers: list[Any] = []

if __name__ == "__main__":
    become_windows(OF_ALL if "all" in sys.argv else OF_BARS)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
