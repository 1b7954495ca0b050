"""`kq` in this process, and in one of its own where exit codes and streams must be the real ones."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kq_cli.app import main
from made import HANG_SECONDS, ROOT

RUN = "from kq_cli.app import main; main()"


@pytest.fixture(autouse=True, scope="session")
def one_page(no_second_page: None) -> None:
    """The commands of these tests write the tearsheet alone."""


@dataclass(frozen=True)
class Outcome:
    """What a command left on its streams, and its exit code."""

    code: int
    out: str
    err: str

    def refusal(self) -> tuple[int, str, str | None]:
        """(code, error, hint) of a command that printed one error, at most one hint, and nothing else."""
        assert self.out == ""
        lines = self.err.splitlines()
        assert lines[0].startswith("error: ")
        hints = [line for line in lines if line.startswith("hint:  ")]
        assert len(hints) <= 1
        assert lines[-1:] == hints or not hints
        others = [line for line in lines[1:] if line not in hints]
        assert all(line.startswith("       ") for line in others)
        error = "\n".join([lines[0].removeprefix("error: "), *(line.strip() for line in others)])
        return self.code, error, hints[0].removeprefix("hint:  ") if hints else None


@pytest.fixture
def kq(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Outcome]]:
    """A function that runs `kq` with some arguments in a folder, in this process."""
    logger = logging.getLogger("kronos_quant")
    level = logger.level

    def run(folder: Path, *arguments: str) -> Outcome:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["kq", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as done:
            main()
        captured = capsys.readouterr()
        assert isinstance(done.value.code, int)
        return Outcome(done.value.code, captured.out, captured.err)

    yield run
    logger.setLevel(level)


@pytest.fixture
def kq_process() -> Callable[..., Outcome]:
    """A function that runs `kq` in a process of its own; `before` is code that runs there first."""

    def run(folder: Path, *arguments: str, before: str = "", **environment: str) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-c", f"{before}\n{RUN}", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'cli'}", **environment},
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dates are scored in this process: starting others takes longer than the work of a test."""
    monkeypatch.setattr("kronos_quant.signals.scorer.cores", lambda: 1)


@pytest.fixture
def contents() -> Callable[[Path], dict[str, bytes]]:
    """A function that gives every file below a folder, to see that nothing was left or changed."""
    return lambda folder: {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
