"""What each date of a recipe sees on a snapshot, recalled instead of computed again from all bars.

    signals/.seen/<recipe digest>.json

A snapshot never changes, so neither do the digests that `make_plan` makes from it. The file is of one snapshot with its
calendar, and one version of this program; of another, missing or damaged, it counts as empty and is written
again. It says nothing of what is stored: the digest in each signal file is compared as before. Writers replace it
whole; of two at once one is lost, and computed again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path

from kronos_quant import __version__
from kronos_quant.errors import KronosQuantError
from kronos_quant.files import write_json
from kronos_quant.market import Market
from kronos_quant.readers import read_json
from kronos_quant.signals.store import SignalStore

FOLDER = ".seen"
_FORMAT = 2
"""Raised by hand when what a date sees is digested in another way."""

Seen = dict[date, str | None]
"""Session date -> the digest of what it sees; None where no symbol has enough bars."""


def recall(market: Market, store: SignalStore) -> Seen:
    """What is known of the dates; nothing where the file is missing, damaged or of other bars."""
    try:
        content = read_json(_file(store.root, store.digest))
        dates = content["dates"]
        if content["of"] != _basis(market) or content["check"] != _check(dates):
            return {}
        return {date.fromisoformat(on): seen for on, seen in dates.items()}
    except (KronosQuantError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def remember(market: Market, store: SignalStore, known: Seen, seen: Seen) -> Seen:
    """Keep what dates see beside what is known; nothing is kept where the folder cannot be written.

    Parameters
    ----------
    market, store
        The bars and the recipe's store.
    known
        What `recall` found.
    seen
        What was computed.

    Returns
    -------
    Seen
        Both.
    """
    both = known | seen
    if both != known:
        dates = {on.isoformat(): digest for on, digest in sorted(both.items())}
        with suppress(KronosQuantError, OSError):  # a read-only store is read all the same
            write_json(_file(store.root, store.digest), {"of": _basis(market), "check": _check(dates), "dates": dates})
    return both


def forget(root: Path, digest: str) -> None:
    """Remove what is known of a recipe that leaves the store `root`."""
    with suppress(OSError):
        _file(root, digest).unlink()


def _file(root: Path, digest: str) -> Path:
    """Not in the store itself, whose files all hold signals. root : signals/store of the workspace"""
    return root.parent / FOLDER / f"{digest}.json"


def _basis(market: Market) -> list[str]:
    """All that the digests depend on beside the recipe: the stamps of future bars come from the snapshot's calendar."""
    return [str(_FORMAT), __version__, market.calendar_digest(), market.snapshot.digest, market.freq]


def _check(dates: Mapping[str, str | None]) -> str:
    return hashlib.blake2b(json.dumps(dates).encode(), digest_size=16).hexdigest()
