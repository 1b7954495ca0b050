"""A bench on which commands run with made files, arguments and environment, and the property that each must have.

A command ends with success or with one of our errors: one clear line that names what is at fault. It raises nothing
else, never hangs, leaves nothing behind and writes nothing outside of the workspace; a refused one changes no file.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import typer
from kq_cli.app import app
from made import HANG_SECONDS

from kronos_quant.errors import KronosQuantError, printable

HANG_PROCESSOR_SECONDS = 120
"""Processor time after which a command on the small market hangs."""
LONGEST_LINE = 1000
TEMPORARY, WORKSPACE = "temporary", "workspace"
OF_TORCH = "torchinductor_"
"""Torch's own folder in the temporary one."""
OF_OTHERS = ("no trained model", "no stored signals", "not a session", "sessions", "no bars", "universe", "gate ")
"""What errors name instead of the file of a case: another file or the market, which does not fit it."""
MAY_WRITE = {"check", "doctor"}
"""Commands that end with a code of their own after they have done all their work."""


@dataclass(frozen=True)
class Case:
    """Files to put into the workspace, the command's arguments, and variables of its environment."""

    arguments: tuple[str, ...]
    files: dict[str, bytes] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    named: str = ""
    """What an error must name: the file at fault, where one alone can be."""

    def to_json(self) -> str:
        """The case as a file of tests/fuzz/cases holds it; a byte is the character of its number."""
        files = {name: content.decode("latin-1") for name, content in self.files.items()}
        held = {"arguments": self.arguments, "files": files, "environment": self.environment, "named": self.named}
        return json.dumps(held, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Case:
        """The case of a file."""
        held = json.loads(text)
        files = {name: content.encode("latin-1") for name, content in held["files"].items()}
        return cls(tuple(held["arguments"]), files, held["environment"], held["named"])


class Hang(BaseException):
    """The command used more processor time than any of its kind needs."""


class FuzzBench:
    """A workspace that is restored after every case."""

    def __init__(self, source: Path, place: Path, *, found: Path | None = None) -> None:
        self.source, self.place, self.found = source, place, found
        self.root, self.temporary = place / WORKSPACE, place / TEMPORARY
        self.temporary.mkdir(parents=True)
        shutil.copytree(source, self.root)
        self.whole = state(self.place)

    def check(self, case: Case) -> None:
        """Run a case; raises AssertionError, saying what was wrong, when it has not the property."""
        try:
            self._check(case)
        except AssertionError:
            if self.found is not None:
                self.found.write_text(case.to_json(), encoding="utf-8")
            raise
        finally:
            if state(self.place) != self.whole:
                shutil.rmtree(self.place)
                self.temporary.mkdir(parents=True)
                shutil.copytree(self.source, self.root)
                self.whole = state(self.place)

    def _check(self, case: Case) -> None:
        for name, content in case.files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        before = state(self.place)
        error = self._run(case)
        after = state(self.place)
        changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        left = [name for name in changed if ".partial-" in name or name.startswith(TEMPORARY)]
        assert not left, f"left behind: {left}"
        assert all(name.startswith(WORKSPACE) for name in changed), f"written outside of the workspace: {changed}"
        if error is not None:
            assert not changed, f"refused, but changed: {changed[:5]}; {error!r}"
            self._judge(error, case)

    def _judge(self, error: Exception, case: Case) -> None:
        """Whether the words of an error are clear."""
        hint = getattr(error, "hint", None) or ""
        text = str(error) if isinstance(error, KronosQuantError) else getattr(error, "format_message", error.__str__)()
        assert printable(text).strip(), f"an empty message: {error!r}"
        assert "\n" not in hint, f"a hint of several lines: {hint!r}"
        for line in [*text.split("\n"), hint]:
            assert len(line) <= LONGEST_LINE, f"a line of {len(line)} characters: {line[:200]!r}..."
        # a file that could be read may lack what only the market or the models can tell
        named = case.named in text or any(word in text for word in OF_OTHERS)
        assert named, f"{case.named} is not named: {text!r}"

    def _run(self, case: Case) -> Exception | None:
        """The command in this process; returns what it refused with."""
        out, err = io.StringIO(), io.StringIO()
        here, argv, tempdir, former = Path.cwd(), sys.argv, tempfile.tempdir, dict(os.environ)
        logger = logging.getLogger("kronos_quant")
        level = logger.level
        code: str | int | None = None
        os.environ.update(case.environment)
        os.chdir(self.root)
        sys.argv, tempfile.tempdir = ["kq", *case.arguments], str(self.temporary)
        try:
            with limited(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                app(list(case.arguments), standalone_mode=False, prog_name="kq")
        except (KronosQuantError, typer.TyperException) as error:
            return error
        except SystemExit as end:
            code = end.code
        except typer.Exit as end:
            code = end.exit_code
        except Hang:
            raise AssertionError(f"more than {HANG_PROCESSOR_SECONDS} s of processor time") from None
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {str(error)[:300]}") from error
        finally:
            os.chdir(here)
            os.environ.clear()
            os.environ.update(former)
            sys.argv, tempfile.tempdir = argv, tempdir
            logger.setLevel(level)
        assert code in (None, 0) or case.arguments[0] in MAY_WRITE, f"ended with {code}"
        assert "Traceback" not in err.getvalue(), err.getvalue()
        return None


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Inside the block too much processor time raises Hang, and a wait without end ends the process."""

    def expire(number: int, frame: FrameType | None) -> None:
        raise Hang

    former = signal.signal(signal.SIGPROF, expire)
    signal.setitimer(signal.ITIMER_PROF, HANG_PROCESSOR_SECONDS)
    faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, former)


def state(place: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder below a place -> its size and the time of its change; folders by their names only."""
    found = {}
    for path in place.rglob("*"):
        name = path.relative_to(place).as_posix()
        # the lock of ingests stays, and torch keeps a folder of its own
        if not name.startswith(f"{TEMPORARY}/{OF_TORCH}") and path.name != "ingest.lock":
            facts = path.lstat()
            found[name] = (0, 0) if path.is_dir() else (facts.st_size, facts.st_mtime_ns)
    return found
