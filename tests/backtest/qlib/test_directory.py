"""A Qlib directory is read by profile, parity and pyqlib as the ingest reads it, whatever the case of its names."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from backtest.qlib.directories import made_panel, scores_of, write_directory

from kronos_quant.backtest import Strategy, rules_of
from kronos_quant.backtest.accounts import order_table
from kronos_quant.backtest.engine import run_kernel
from kronos_quant.backtest.qlib.directory import OtherBarsError, for_pyqlib, open_directory
from kronos_quant.backtest.qlib.market import facts_of_directory
from kronos_quant.backtest.qlib.oracle import run_pyqlib
from kronos_quant.backtest.qlib.parity import compare_profiles
from kronos_quant.errors import ConfigError, DataError

PANEL = made_panel(11)
PLAIN = {"profile": "qlib", "topk": 4, "n_drop": 2, "hold_thresh": 1}


def slow(value):
    return pytest.param(value, marks=pytest.mark.slow)


def compare(directory: Path, **chosen):
    """The facts that are read, and the comparison of both profiles with their references."""
    strategy = Strategy.model_validate(PLAIN | chosen)
    facts = facts_of_directory(PANEL, directory, strategy)
    return facts, compare_profiles(strategy, PANEL, rules_of(strategy, PANEL), facts, scores_of(PANEL), directory)


def rename(root: Path, how: str) -> None:
    """Names in upper case, as some dumps have them: folders, files, or what all.txt says."""
    for number, folder in enumerate(sorted((root / "features").iterdir())):
        if how == "files":
            for file in list(folder.iterdir()):
                file.rename(folder / file.name.upper().replace(".DAY.BIN", ".day.bin"))
        elif how == "folders" or (how == "mixed" and number % 2):
            folder.rename(folder.with_name(folder.name.upper()))
    if how == "suffixes":
        for folder in list((root / "features").iterdir()):
            folder.rename(folder.with_name(f"{folder.name[2:]}.{folder.name[:2].upper()}"))
    if how in ("mixed", "list"):
        path = root / "instruments" / "all.txt"
        path.write_text(path.read_text().lower())


def percent(root: Path, symbols=slice(None)) -> None:
    for folder in sorted((root / "features").iterdir())[symbols]:
        values = np.fromfile(folder / "change.day.bin", "<f4")
        values[1:] *= 100
        values.tofile(folder / "change.day.bin")


@pytest.fixture(scope="module")
def lower(tmp_path_factory):
    root = write_directory(PANEL, tmp_path_factory.mktemp("lower") / "qlib")
    return root, *compare(root)


@pytest.mark.parametrize("how", ["folders", "mixed", *(slow(how) for how in ("files", "list", "suffixes"))])
def test_names_in_any_case_give_the_fills_of_lower_case(lower, tmp_path, how):
    root, facts, found = lower
    other = shutil.copytree(root, tmp_path / "qlib")
    rename(other, how)
    assert open_directory(root).plain
    assert not open_directory(other).plain
    theirs, compared = compare(other)
    np.testing.assert_array_equal(theirs.change, facts.change)
    np.testing.assert_array_equal(theirs.volume, facts.volume)
    assert compared.holds
    assert (compared.qlib.orders, compared.steps) == (found.qlib.orders, found.steps)
    assert found.qlib.orders > 20


@pytest.mark.parametrize("chosen", [slice(None), slice(0, None, 3)])
def test_a_change_in_percent_is_taken_as_a_fraction_and_that_is_said(lower, tmp_path, chosen):
    root, facts, found = lower
    other = shutil.copytree(root, tmp_path / "qlib")
    percent(other, chosen)
    theirs, compared = compare(other)
    number = len(PANEL.symbols[chosen])
    assert f"$change counts percent for {number} of 16 symbols" in theirs.notes[0]
    np.testing.assert_allclose(theirs.change, facts.change, rtol=1e-6)
    assert compared.holds
    assert compared.qlib.orders == found.qlib.orders
    # what pyqlib makes of the files as they are
    strategy = Strategy.model_validate(PLAIN)
    untouched = run_pyqlib(other, scores_of(PANEL), PANEL.dates[1], PANEL.dates[-1], strategy, 100)
    assert len(untouched.fills) != found.qlib.orders


def test_a_change_that_is_neither_is_used_as_qlib_uses_it_and_that_is_said(lower, tmp_path):
    other = shutil.copytree(lower[0], tmp_path / "qlib")
    for file in (other / "features").glob("*/change.day.bin"):
        values = np.fromfile(file, "<f4")
        values[1:] = 0.07
        values.tofile(file)
    facts, compared = compare(other)
    assert "$change agrees with the closes in" in facts.notes[0]
    assert compared.holds


def test_a_missing_file_is_an_error_where_it_is_needed(lower, tmp_path):
    other = shutil.copytree(lower[0], tmp_path / "qlib")
    for folder in sorted((other / "features").iterdir())[:3]:
        (folder / "change.day.bin").unlink()
    with pytest.raises(DataError, match=r"expected change.day.bin for each of 16 symbols with bars, found none for 3 "):
        facts_of_directory(PANEL, other)
    assert compare(other, price_limit="none")[1].holds
    closes = ["$close / Ref($close, 1) >= 1.095", "$close / Ref($close, 1) <= 0.905"]
    assert compare(other, price_limit=closes)[1].holds
    (other / "features" / "sh600003" / "volume.day.bin").unlink()
    assert compare(other, price_limit="none")[1].holds
    with pytest.raises(DataError, match=r"expected volume.day.bin .* found none for 1 symbol \(SH600003\)"):
        compare(other, price_limit="none", qlib={"volume_threshold": 0.1})
    (other / "features" / "sh600003" / "close.day.bin").unlink()
    with pytest.raises(OtherBarsError, match="no close of SH600003 in"):
        facts_of_directory(PANEL, other)


@pytest.mark.parametrize(
    "pair",
    [
        ["$change >= 0.095", "$change <= -0.095"],
        ["$close / Ref($close, 1) - 1 > 0.03", "Mean($close, 5) > $close"],  # NaN at the start forbids, too
        slow(["And($change > 0.01, $volume > Mean($volume, 3))", "$change < -0.02"]),
        slow(["$open > 0", "Gt($open, 1e9)"]),
        slow(["$change > 0.02", "$change > 0.02"]),
    ],
)
@pytest.mark.parametrize("forbid_all", [False, slow(True)])
def test_limits_that_are_expressions_trade_as_in_pyqlib(lower, pair, forbid_all):
    facts, compared = compare(lower[0], price_limit=pair, qlib={"forbid_all_trade_at_limit": forbid_all})
    assert compared.holds
    assert facts.limits is not None


def test_expressions_are_read_from_a_directory_in_upper_case_too(lower, tmp_path):
    other = shutil.copytree(lower[0], tmp_path / "qlib")
    rename(other, "mixed")
    pair = ["$change >= 0.05", "$change <= -0.05"]
    ours, theirs = (compare(root, price_limit=pair)[1] for root in (lower[0], other))
    assert theirs.holds
    assert ours.steps == theirs.steps


def test_an_order_that_both_expressions_forbid_says_so(lower):
    strategy = Strategy.model_validate(PLAIN | {"price_limit": ["$close > 0", "$close > 0"]})
    ledger = run_kernel(strategy, PANEL, None, facts_of_directory(PANEL, lower[0], strategy))
    reasons = order_table(ledger.orders, ledger.factor, PANEL)["reason"].unique().to_list()
    assert "both limits" in reasons
    assert set(reasons) <= {"both limits", "no bar"}


def test_expressions_need_a_directory_and_must_be_computable(lower):
    strategy = Strategy.model_validate(PLAIN | {"price_limit": ["$change > 1", "$change < -1"]})
    with pytest.raises(ConfigError, match="expressions are evaluated on a Qlib directory"):
        run_kernel(strategy, PANEL, None)
    broken = Strategy.model_validate(PLAIN | {"price_limit": ["Nothing($change)", "$change < -1"]})
    with pytest.raises(ConfigError, match="price_limit: pyqlib cannot compute 'Nothing"):
        facts_of_directory(PANEL, lower[0], broken)


@pytest.mark.parametrize("chosen", [{"topk": 2, "n_drop": 5}, {"topk": 1, "n_drop": 30, "hold_thresh": 3},
                                    {"topk": 2, "n_drop": 4, "qlib": {"only_tradable": True}}])  # fmt: skip
def test_n_drop_above_topk_is_qlibs(lower, chosen):
    assert compare(lower[0], **chosen)[1].holds


def test_a_directory_that_pyqlib_reads_is_left_as_it_is(lower):
    with for_pyqlib(lower[0]) as place:
        assert place == lower[0]
    assert set(open_directory(lower[0]).folders) == set(PANEL.symbols)
