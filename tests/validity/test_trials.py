from __future__ import annotations

import io
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made import ROOT

from kronos_quant import DataError
from kronos_quant.backtest import Strategy
from kronos_quant.stats.selection import return_moments
from kronos_quant.validity.trials import TrialRow, digest_of, ledger_files, read_trials, record_trials, trial_key

DAYS = [date(2024, 1, 1) + timedelta(days=i) for i in range(30)]


def row(key: str, seed: int = 0, sessions: int = 30) -> TrialRow:
    rng = np.random.default_rng(seed)
    return TrialRow(key, '{"topk": 5}', rng.normal(0.001, 0.01, sessions), rng.normal(0, 0.01, sessions))


def record(runs: Path, *rows: TrialRow, days=DAYS, run: str = "backtest/1") -> Path:
    return record_trials(runs, run, "signals", "snapshot", days, rows)


def settings(**fields) -> Strategy:
    return Strategy.model_validate(fields)


def test_what_is_recorded_can_be_read_again(tmp_path):
    first, second = row("a", 1), row("b", 2)
    path = record(tmp_path, first, second, run="sweep/7")
    assert path.parent == tmp_path / "trials"
    trials = read_trials(tmp_path)
    assert len(trials) == 2
    [one, other] = trials.table.to_dicts()
    assert (one["trial"], other["trial"]) == ("a", "b")
    assert (one["run"], one["signals"], one["snapshot"]) == ("sweep/7", "signals", "snapshot")
    assert (one["first"], one["last"], one["sessions"]) == (DAYS[0], DAYS[-1], 30)
    assert one["sharpe"] == return_moments(first.returns).sharpe
    moments = return_moments(first.returns)
    assert (one["skew"], one["kurtosis"]) == (moments.skew, moments.kurtosis)
    assert other["edge_sharpe"] == return_moments(second.edge).sharpe
    np.testing.assert_array_equal(trials.returns_on(DAYS), np.column_stack([first.returns, second.returns]))


def test_a_ledger_that_nobody_has_written_is_empty(tmp_path):
    trials = read_trials(tmp_path)
    assert len(trials) == 0
    assert trials.returns_on(DAYS).shape == (30, 0)
    assert trials.column("sharpe").shape == (0,)


def test_the_same_trial_counts_once_with_its_newest_returns(tmp_path):
    record(tmp_path, row("a", 1), row("b", 2))
    again = row("a", 3)
    record(tmp_path, again)
    trials = read_trials(tmp_path)
    assert trials.table["trial"].to_list() == ["b", "a"]
    np.testing.assert_array_equal(trials.returns_on(DAYS)[:, 1], again.returns)


def test_only_trials_on_the_same_sessions_share_a_matrix(tmp_path):
    record(tmp_path, row("a", 1))
    record(tmp_path, row("b", 2, sessions=29), days=DAYS[1:])
    trials = read_trials(tmp_path)
    assert len(trials) == 2
    assert trials.returns_on(DAYS).shape == (30, 1)
    assert trials.returns_on(DAYS[1:]).shape == (29, 1)
    assert trials.returns_on(DAYS[:5]).shape == (5, 0)


def test_trials_of_other_universes_share_no_matrix_and_older_files_name_none(tmp_path):
    first, second, third = (replace(row(name, seed), universe=name[0]) for seed, name in enumerate(("a1", "a2", "b1")))
    record(tmp_path, first, second)
    older = record(tmp_path, row("old", 7))
    table = pl.read_parquet(older).drop("universe")
    older.unlink()
    held = io.BytesIO()
    table.write_parquet(held)
    older.with_name(f"20200101-000000-{digest_of(held.getvalue())}.parquet").write_bytes(held.getvalue())
    record(tmp_path, third)
    trials = read_trials(tmp_path)
    assert len(trials) == 4
    found = trials.on_universe("a").returns_on(DAYS)
    np.testing.assert_array_equal(found, np.column_stack([first.returns, second.returns]))
    assert trials.on_universe("b").returns_on(DAYS).shape == trials.on_universe(None).returns_on(DAYS).shape == (30, 1)
    assert trials.returns_on(DAYS).shape == (30, 4)


def test_the_returns_of_some_trials_come_in_the_order_asked_for(tmp_path):
    rows = [row(name, seed) for seed, name in enumerate("abc")]
    record(tmp_path, *rows)
    found = read_trials(tmp_path).returns_on(DAYS, ["c", "a"])
    np.testing.assert_array_equal(found, np.column_stack([rows[2].returns, rows[0].returns]))


def test_a_trial_is_its_settings_and_its_scores():
    key = trial_key(settings(topk=5, n_drop=1), "s")
    assert trial_key(settings(topk=5, n_drop=1), "s") == key
    assert trial_key(settings(topk=6, n_drop=1), "s") != key
    assert trial_key(settings(topk=5, n_drop=1), "t") != key
    assert trial_key(settings(topk=5, n_drop=1, costs={"commission": 0.001}), "s") != key
    assert trial_key(settings(topk=5, n_drop=1, start=date(2024, 1, 2)), "s") != key
    # a default that is written down is no other configuration
    assert trial_key(settings(topk=5, n_drop=1, hold_thresh=5, costs={"borrow": 0.03}), "s") == key
    # names that the digest of the scores stands for, and what changes no trade
    for same in ({"signal": "copy"}, {"scores": "a.csv"}, {"benchmark": "none"}, {"sessions_per_year": 243}):
        assert trial_key(settings(topk=5, n_drop=1, **same), "s") == key


def test_another_text_of_a_users_own_code_is_another_trial():
    own = settings(strategy="python", code="own.py")
    assert trial_key(own, "s", "digest of one") != trial_key(own, "s", "digest of another")


def test_an_older_batch_is_never_changed(tmp_path):
    path = record(tmp_path, row("a", 1))
    before = path.read_bytes()
    record(tmp_path, row("a", 2))
    assert path.read_bytes() == before
    assert len(list((tmp_path / "trials").iterdir())) == 2


def test_a_file_that_is_none_of_the_ledgers_is_named(tmp_path):
    path = record(tmp_path, row("a"))
    wrong = path.with_name("20200101-000000-bad.parquet")
    wrong.write_bytes(b"no parquet")
    with pytest.raises(DataError, match=r"20200101-000000-bad\.parquet: damaged file of the ledger") as error:
        read_trials(tmp_path)
    assert "no longer counted" in error.value.hint


@pytest.mark.parametrize("at", [0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_single_bit_of_a_broken_disk_is_noticed_in_one_line(tmp_path, at):
    record(tmp_path, row("a", 1))
    path = record(tmp_path, row("b", 2))
    contents = bytearray(path.read_bytes())
    contents[int(at * len(contents))] ^= 0x10
    path.write_bytes(contents)
    with pytest.raises(DataError, match=f"{path.name}: damaged file of the ledger of trials") as error:
        read_trials(tmp_path)
    assert "\n" not in str(error.value)
    path.unlink()
    assert read_trials(tmp_path).table["trial"].to_list() == ["a"]


@pytest.mark.parametrize("length", [0, 4, 300])
def test_half_a_file_is_noticed(tmp_path, length):
    path = record(tmp_path, row("a"))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match="damaged file of the ledger of trials"):
        read_trials(tmp_path)


def test_thousands_of_trials_in_many_files_are_all_counted(tmp_path):
    for batch in range(20):
        record(tmp_path, *(row(f"{batch}-{number}", number, 30) for number in range(100)))
    trials = read_trials(tmp_path)
    assert len(trials) == 2000
    assert trials.returns_on(DAYS).shape == (30, 2000)


def test_what_a_killed_writer_left_is_not_read(tmp_path):
    path = record(tmp_path, row("a"))
    path.with_name(f".partial-12345678-{path.name}").write_bytes(path.read_bytes()[:50])
    assert len(read_trials(tmp_path)) == 1


WRITER = """
import sys
from datetime import date, timedelta
from pathlib import Path
import numpy as np
from kronos_quant.validity.trials import TrialRow, record_trials
days = [date(2024, 1, 1) + timedelta(days=i) for i in range(30)]
for number in range(100_000):
    rows = [TrialRow(f"{sys.argv[2]}-{number}", "{}", np.ones(30), np.ones(30))]
    record_trials(Path(sys.argv[1]), "r", "s", "p", days, rows)
"""


def test_writers_that_are_killed_leave_whole_batches(tmp_path):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(name)], cwd=ROOT) for name in range(2)
    ]
    deadline = time.monotonic() + 60
    while len(ledger_files(tmp_path / "trials")) < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    for writer in writers:
        writer.kill()
        writer.wait()
    files = ledger_files(tmp_path / "trials")
    trials = read_trials(tmp_path)
    assert len(trials) == len(files) >= 20
    assert trials.returns_on(DAYS).shape == (30, len(trials))
