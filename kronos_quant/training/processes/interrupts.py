"""Ctrl-C and SIGTERM as a wish that the loop grants after its step, so that a state can be saved first."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

logger = logging.getLogger(__name__)

PARENT_CHECK_SECONDS = 0.5


@dataclass(slots=True)
class Stop:
    """Whether the user has asked to stop."""

    asked: bool = False


class Halted(Exception):  # noqa: N818
    """The user asked to stop inside a validation."""


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Inside the block SIGINT and SIGTERM set `asked`; outside the main thread nothing is caught."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if not stop.asked:
            logger.info("stopping after this step")
        stop.asked = True

    former = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def end_with_parent(parent: int) -> None:
    """From now on this process ends when `parent`, a process id, is not its parent: a killed one cannot tell it to.

    The parent says who it is, for it may be gone before this process can look.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
