"""What can be seen here of a system without POSIX: nothing is imported or called that Windows lacks.

The real Windows was not tried. Here a process loses the modules and functions that Windows does not have, and is told
that it runs there; what other packages need was imported before.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from made import ROOT

from kronos_quant import system

WITHOUT_POSIX = """
import os, sys
import duckdb, filelock, matplotlib.pyplot, numba, pandas, polars, psutil, pyarrow.parquet, torch, typer, vectorbt, yaml
import exchange_calendars, loky, quantstats, safetensors.torch, scipy.stats, statsmodels.api
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
lacking = "fork forkpty getppid sched_getaffinity setsid getuid geteuid fchdir killpg"
for name in lacking.split():
    if hasattr(os, name):
        delattr(os, name)
sys.path[:0] = [{root!r}, {cli!r}]
import kronos_quant.system
kronos_quant.system.WINDOWS = True
"""

EVERY_MODULE = """
import importlib, pkgutil
import kronos_quant, kq_cli
for package in (kronos_quant, kq_cli):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
"""

A_DAY = """
import datetime, pathlib
import polars as pl
import kronos_quant as kq
days = [day for n in range(60) if (day := datetime.date(2024, 1, 2) + datetime.timedelta(days=n)).weekday() < 5]
rows = [(day, symbol, 10.0 + number % 5, 100.0) for symbol in ("AAA", "BBB", "CCC") for number, day in enumerate(days)]
bars = pl.DataFrame(rows, schema=["date", "symbol", "close", "volume"], orient="row")
bars = bars.with_columns(pl.col("close").alias(name) for name in ("open", "high", "low"))
root = pathlib.Path("w")
ws = kq.init(root)
bars.write_csv("bars.csv")
ws.ingest_csv("bars.csv", exchange="XNYS")
bars.select("date", "symbol", score="close").write_csv("scores.csv")
(root / "strategies" / "own.yaml").write_text("scores: ../scores.csv\\ntopk: 1\\nn_drop: 1\\n", encoding="utf-8")
run = ws.backtest("own")
ws.import_signals("scores.csv", "mine")
ws.runs()
from kronos_quant.workflows.doctor import check_installation
check_installation(root)
from kronos_quant.market import prune_snapshots
prune_snapshots(root, keep=1)
print(run.title)
"""


def run(folder: Path, code: str) -> str:
    """Run code in a process without POSIX; returns what it printed."""
    begin = WITHOUT_POSIX.format(root=str(ROOT), cli=str(ROOT / "cli"))
    done = subprocess.run(
        [sys.executable, "-c", begin + code], cwd=folder, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_day_needs_nothing_that_windows_lacks(tmp_path: Path) -> None:
    assert run(tmp_path, EVERY_MODULE + A_DAY).startswith("Back-test of topk_dropout")


def test_an_orphan_is_told_by_the_process_that_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "WINDOWS", True)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert system.has_parent(child.pid)
    child.communicate(b"\n")
    assert not system.has_parent(child.pid)


def test_a_console_without_the_letter_prints_a_mark(tmp_path: Path) -> None:
    code = "from kronos_quant.system import accept_every_letter; accept_every_letter(); print('0.1 \\u00b1 0.2')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0.1 ? 0.2\n"
