"""Children end within seconds of a parent that is killed, however early that was."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from killing import leftovers, sessions

MARK = "KQ_TEST_OF_KILLS"
SECONDS = 5.0
KQ = "from kq_cli.app import main; main()"


def marked(mark: str) -> list[psutil.Process]:
    """The processes with a mark in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def kill_after(
    seconds: float, folder: Path, temp: Path, *arguments: str, processes: int = 1, code: str = KQ
) -> list[str]:
    """Kill a command after a time, or as soon as it has so many processes; the commands of those left 5 s later."""
    mark = f"{os.getpid()}-{random.random()}"
    environment = os.environ | {MARK: mark, "TMPDIR": str(temp)}
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as parent:
        while processes > 1 and parent.poll() is None and len(marked(mark)) < processes:
            time.sleep(0.01)
        time.sleep(seconds)
        parent.kill()
    limit = time.monotonic() + SECONDS
    while (left := marked(mark)) and time.monotonic() < limit:
        time.sleep(0.05)
    names = [" ".join(process.cmdline())[:200] for process in left]
    for process in left:
        process.kill()
    return names


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "seconds"), [(1, 0.001), (2, 0.0), (3, 0.0), (3, 0.2), (4, 0.0), (4, 1.0)])
def test_workers_that_score_end_and_the_next_run_clears_up(scored, tmp_path, processes, seconds):
    folder, temp = tmp_path / "workspace", tmp_path / "temporary"
    shutil.copytree(scored, folder)
    shutil.rmtree(folder / "signals" / "store")
    temp.mkdir()
    found = sessions(folder)
    arguments = ("signal", "--start", found[-20], "--end", found[-1], "--gpus", "0")
    assert kill_after(seconds, folder, temp, *arguments, processes=processes) == []
    again = [sys.executable, "-c", KQ, *arguments]
    subprocess.run(again, cwd=folder, env=os.environ | {"TMPDIR": str(temp)}, check=True, capture_output=True)
    assert leftovers(folder) == []
    assert [path.name for path in temp.iterdir() if not path.name.startswith("torchinductor_")] == []


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 0.5, 3.0])
def test_the_process_that_compiles_beside_the_first_back_test_ends(scored, tmp_path, monkeypatch, seconds):
    folder = tmp_path / "workspace"
    shutil.copytree(scored, folder)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    (tmp_path / "temporary").mkdir()
    arguments = ("backtest", "strategies/topk.yaml")
    assert kill_after(seconds, folder, tmp_path / "temporary", *arguments, processes=2) == []


RANKS = """
import sys, time
from pathlib import Path
from kronos_quant.training.processes import launch
launch(Path(sys.argv[1]), 2)
"""


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 1.0, 6.0])
def test_ranks_of_a_training_end(market_folder, tmp_path, seconds):
    from kronos_quant.training import place
    from kronos_quant.training.run import plan_training, prepare_run_folder
    from kronos_quant.workspace import open_workspace_folder

    folder, temp = tmp_path / "workspace", tmp_path / "temporary"
    shutil.copytree(market_folder, folder)
    temp.mkdir()
    workspace = open_workspace_folder(folder)
    prepared = prepare_run_folder(workspace, plan_training(workspace, place(0)))
    left = kill_after(seconds, folder, temp, str(prepared.job_file), processes=3, code=RANKS)
    assert left == []
    assert [path.name for path in temp.iterdir() if not path.name.startswith("torchinductor_")] == []
