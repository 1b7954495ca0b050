"""`kq demo` for the pages: run once for all of them, with the recorded training.

Training the demo's network takes longer than all pages together. Its weights are therefore kept in tests/docs/trained/,
under the identity of the training (the digest of its settings and bars); all else of `kq demo` is run: market, signals,
back-test, verdict. `test_demo.py` trains anew where it has the time, and compares.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from doccheck.terminal import Recorded, Terminal
from kronos_quant.training import TrainingJob, fit

LINES = ("kq demo",)
"""The lines that pages may show and that are not run again for each."""
PRINTED = "printed.txt"
TRAINED = Path(__file__).parents[1] / "trained"
KEPT = ("checkpoints/best", "log.jsonl", "speed.json")
"""What is kept of a training's folder."""
LOGGED = "logged.txt"
logger = logging.getLogger("kronos_quant.training")


def recorded_folder(job: TrainingJob) -> Path:
    return TRAINED / job.identity[:16]


def fit_recorded(job: TrainingJob, started: float | None = None, networks: Any = None) -> Any:
    """`fit`, with the result of the same training put in place where it is recorded."""
    folder = recorded_folder(job)
    if not folder.is_dir():
        return fit(job, started, networks)
    for name in KEPT:
        copy(folder / name, job.folder / name)
    logger.info((folder / LOGGED).read_text(encoding="utf-8").rstrip("\n"))
    return None


def record(job: TrainingJob, started: float | None = None, networks: Any = None) -> Any:
    """`fit`, and its result kept as the recorded one; others are removed."""
    logged: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda entry: logged.append(entry.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    try:
        result = fit(job, started, networks)
    finally:
        logger.removeHandler(handler)
    shutil.rmtree(TRAINED, ignore_errors=True)
    for name in KEPT:
        copy(job.folder / name, recorded_folder(job) / name)
    (recorded_folder(job) / LOGGED).write_text("\n".join(logged) + "\n", encoding="utf-8")
    return result


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)


def make_demo(folder: Path, line: str = LINES[0], training: Callable[..., Any] = fit_recorded) -> str:
    """Run the line in a folder and keep what it printed there; returns that."""
    terminal = Terminal(folder)
    with patch("kronos_quant.workflows.train.fit", training):
        terminal.run(line)
    text = terminal.take()
    (folder / PRINTED).write_text(text, encoding="utf-8")
    return text


def demo_served(demos: Callable[[str], Path]) -> Recorded:
    """What a terminal does for one of `LINES`: copies the workspace that it left, and gives what it printed."""

    def serve(cwd: Path, words: list[str]) -> str | None:
        line = " ".join(words)
        if line not in LINES:
            return None
        made = demos(line)
        for workspace in (path for path in made.iterdir() if path.is_dir()):
            shutil.copytree(workspace, cwd / workspace.name, dirs_exist_ok=True)
        return (made / PRINTED).read_text(encoding="utf-8")

    return serve
