"""An error that nobody foresaw: one line for the user, and a file with all that a report of it needs.

The file lies in the system's temporary folder, never in a workspace. It holds the trace, the command and the versions,
and nothing of the environment.
"""

from __future__ import annotations

import platform
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

from kronos_quant.errors import KronosQuantError

LONGEST_REASON = 300
"""Characters of an error's own words in the line."""

_PACKAGE = Path(__file__).parent


class UnforeseenError(KronosQuantError):
    """Stands for an error that is a fault of the program, or that came from outside of it."""


def unforeseen(error: BaseException) -> UnforeseenError:
    """What to tell the user about any error, after its report was written; without one where that is impossible.

    >>> try:
    ...     {}["gone"]
    ... except KeyError as error:
    ...     str(unforeseen(error))
    "unforeseen KeyError: 'gone'"
    """
    if isinstance(error, MemoryError):
        return UnforeseenError("not enough memory", hint="Use fewer symbols, dates or samples at a time.")
    reason = " ".join(str(error).split())[:LONGEST_REASON]
    place = _place(error)
    message = f"unforeseen {type(error).__name__}{f' in {place}' if place else ''}{f': {reason}' if reason else ''}"
    written = _write_report(error)
    shown = "KQ_DEBUG=1 shows the trace." if written is None else f"This is a fault of kq: report it with {written}"
    return UnforeseenError(message, hint=shown)


def _place(error: BaseException) -> str:
    """The innermost line of this package in the trace, such as `market/reader.py:120`; "" where there is none."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    return f"{Path(own[-1].filename).relative_to(_PACKAGE).as_posix()}:{own[-1].lineno}" if own else ""


def _write_report(error: BaseException) -> Path | None:
    from kronos_quant import __version__

    now = datetime.now(UTC)
    facts = (
        f"time: {now:%Y-%m-%d %H:%M:%S} UTC",
        f"command: {' '.join([Path(sys.argv[0]).name, *sys.argv[1:]])}",
        f"kronos-quant {__version__}, Python {platform.python_version()}, {platform.platform()}",
        _versions(),
    )
    trace = "".join(traceback.format_exception(error, limit=-50, chain=True))
    try:
        descriptor, name = tempfile.mkstemp(prefix=f"kq-error-{now:%Y%m%d-%H%M%S}-", suffix=".txt")
        with open(descriptor, "w", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 (a descriptor)
            file.write("\n".join([*facts, "", trace]))
    except (OSError, ValueError):
        return None
    return Path(name)


def _versions() -> str:
    from kronos_quant.runs.manifest import package_versions

    return ", ".join(f"{name} {version}" for name, version in package_versions().items())
