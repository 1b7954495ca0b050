"""Commands on inputs that hypothesis makes: a short run always, as long as wanted with `make fuzz MINUTES=60`."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from fuzzing import Case
from hypothesis import HealthCheck, Phase, given, seed, settings

EXAMPLES = {
    "configuration": 6, "recipe": 2, "strategy": 2, "bars": 2, "lists": 4, "scores": 3, "bars_parquet": 2,
    "scores_parquet": 3, "qlib": 1, "checkpoint": 2, "environment": 5, "names": 8,
}  # fmt: skip
"""Door -> cases of the short run, by what they cost."""
MINUTES = float(os.environ.get("FUZZ_MINUTES", "60"))
"""Of the long run, over all doors."""
KEPT = sorted((Path(__file__).parent / "cases").glob("*.json"))

usual = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck), "print_blob": False}


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_a_case_that_failed_once(fuzz_bench, path):
    fuzz_bench.check(Case.from_json(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("door", EXAMPLES)
def test_a_door_refuses_or_takes_what_comes(fuzz_bench, fuzz_doors, door):
    phases = (Phase.generate,)  # the long run shrinks

    @settings(max_examples=EXAMPLES[door], derandomize=True, phases=phases, **usual)
    @given(fuzz_doors[door])
    def run(case: Case) -> None:
        fuzz_bench.check(case)

    run()


@pytest.mark.slow
@pytest.mark.parametrize("door", EXAMPLES)
def test_a_door_for_as_long_as_wanted(fuzz_bench, fuzz_doors, door):
    end = time.monotonic() + 60 * MINUTES / len(EXAMPLES)
    while time.monotonic() < end:

        @seed(random.getrandbits(64))
        @settings(max_examples=100, **usual)
        @given(fuzz_doors[door])
        def run(case: Case) -> None:
            if time.monotonic() < end:
                fuzz_bench.check(case)

        run()
