"""Folders and files that the user may not write, or not read: one line that names them, and nothing changes."""

from __future__ import annotations

import sys

import pytest
from killing import KillTest, Outcome, contents

CSV = ("ingest", "csv", "bars.csv", "--exchange", "XNYS")
DROP = ("drop", "symbol", "AAA", "--yes")
PRUNE = ("snapshot", "prune", "--keep", "1")
IMPORT = ("signal", "import", "scores.csv", "--name", "mine")
WRITES, READS = 0o500, 0o000
"""The mode that refuses it."""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")]


def denied(made: KillTest, place: str, mode: int, *arguments: str) -> Outcome:
    """Run a command where what is at a place (a pattern) has a mode; it changes and leaves nothing."""
    folder = made.fresh()
    before = contents(folder)
    [path] = folder.glob(place)
    former = path.stat().st_mode
    path.chmod(mode if path.is_dir() else mode & 0o400)
    try:
        done = made.kq(folder, *arguments)
    finally:
        path.chmod(former)
    assert contents(folder) == before
    assert made.left() == []
    return done


@pytest.mark.parametrize(
    ("place", "mode", "code", "commands"),
    [
        ("db", WRITES, 1, (CSV, DROP, PRUNE)),
        ("db/ingest.lock", WRITES, 1, (CSV, PRUNE)),
        ("db/market.duckdb", WRITES, 1, (CSV, DROP)),
        ("db/snapshots", WRITES, 1, (CSV, DROP)),
        ("signals", WRITES, 1, (IMPORT,)),
        ("signals/store", WRITES, 1, (IMPORT,)),
        ("db", READS, 3, (CSV, ("check",), ("history", "AAA"), ("universe", "all"))),
        ("db/snapshots", READS, 3, (PRUNE, ("export", "bars", "out.csv"))),
        ("db/snapshots/CURRENT", READS, 3, (DROP, ("check",))),
        ("db/snapshots/*/bars.day.parquet", READS, 3, (("check",), ("history", "AAA"))),
        ("db/market.duckdb", READS, 3, (CSV, DROP)),
        ("kq.yaml", READS, 2, (("config", "show"), CSV)),
    ],
)
def test_one_line_names_what_is_denied_and_nothing_changes(bench, ingested, kq_user, place, mode, code, commands):
    def before(folder):
        bars = (folder / "bars.csv").read_text().splitlines()
        rows = [f"{date},{symbol},0.1" for date, symbol, *_ in (line.split(",") for line in bars[1:])]
        (folder / "scores.csv").write_text("\n".join(["date,symbol,score", *rows]))
        (folder / "signals" / "store").mkdir()

    made = bench(ingested, before, kq_user)
    for command in commands:
        done = denied(made, place, mode, *command)
        *_, error, hint = done.err.splitlines()
        assert (done.code, done.err.count("error: ")) == (code, 1), done.err
        assert error.startswith(f"error: {next(iter(made.place.glob(place)))}")
        assert hint.startswith("hint:  Grant the permission to ")


@pytest.mark.parametrize("place", ["db", "db/snapshots/CURRENT", "signals", "runs"])
def test_the_doctor_names_it_and_repairs_nothing(bench, ingested, kq_user, place):
    made = bench(ingested, lambda folder: (folder / "runs" / "train").mkdir(parents=True), kq_user)
    assert f"{made.place / place}: " in denied(made, place, READS, "doctor").out.replace("a folder that ", "")
    assert denied(made, place, READS, "doctor", "--repair").code == 3
