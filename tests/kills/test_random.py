"""Commands disturbed several times, by kills and full disks at random events: then they end as if nothing had been.

The other tests here disturb a command once, at every event; here a repetition that clears up is disturbed too.
FUZZ_MINUTES is how long to try new seeds (a failure names its seed, which joins SEEDS).
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest

CSV = ("ingest", "csv", "bars.csv", "--exchange", "XNYS")
SEEDS = (0, 1, 2)
"""Tried always."""
MINUTES = float(os.environ.get("FUZZ_MINUTES", "2"))
"""Of new seeds."""


def seeds() -> Iterator[int]:
    """The seeds that are always tried, then new ones until the time is up."""
    yield from SEEDS
    end = time.monotonic() + 60 * MINUTES
    while time.monotonic() < end:
        yield random.getrandbits(32)


@pytest.mark.parametrize("tried", [SEEDS[:1], pytest.param(SEEDS, marks=pytest.mark.slow)])
def test_a_new_workspace(bench, tmp_path, tried):
    assert bench(tmp_path / "none").shaken("init", ".", seeds=tried) == []


@pytest.mark.slow
def test_a_restating_ingest(bench, ingested):
    assert bench(ingested).shaken(*CSV, seeds=seeds()) == []
