"""What `kq parity` compares: the bars of the source, with what trailing figures and group caps refer to."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from kronos_quant.backtest import simulate
from kronos_quant.backtest.inputs import collect_inputs
from kronos_quant.errors import DataError
from kronos_quant.market import export_bars, ingest_qlib, open_market
from kronos_quant.workflows.parity import run_parity
from kronos_quant.workspace import WorkspaceFolder, init_workspace, open_workspace_folder


@pytest.fixture
def from_qlib(scored_workspace, tmp_path):
    """A workspace whose bars came from a Qlib directory with two opens missing, and the strategy `own`."""
    source, root = tmp_path / "source", tmp_path / "other"
    export_bars(open_market(scored_workspace.root), source, "qlib")
    opens = next((source / "features").glob("made0*/open.day.bin"))
    values = np.fromfile(opens, "<f4")
    values[[-10, -1]] = np.nan  # the last one is of the session that parity leaves out
    values.tofile(opens)
    init_workspace(root)
    ingest_qlib(root, source, exchange="XNYS")
    shutil.copy(scored_workspace.root / "scores.csv", root)
    shutil.copy(scored_workspace.root / "strategies" / "own.yaml", root / "strategies")
    return open_workspace_folder(root)


def add(workspace: WorkspaceFolder, lines: str) -> WorkspaceFolder:
    path = workspace.root / "strategies" / "own.yaml"
    path.write_text(path.read_text() + lines)
    return workspace


def test_bars_that_the_checks_refused_are_in_both_accounts_and_that_is_said(from_qlib):
    report = run_parity(from_qlib, "own", device="cpu")
    assert report.found.holds
    assert report.directory.endswith("source")
    assert "Used here, as Qlib uses them, although the checks rejected them: 1 bar." in report.notes


def test_a_directory_in_upper_case_and_percent_is_compared_as_the_ingest_read_it(from_qlib):
    plain = run_parity(from_qlib, "own", device="cpu")
    [source] = open_market(from_qlib.root).origins("qlib")
    for folder in list((source / "features").iterdir()):
        changes = np.fromfile(folder / "change.day.bin", "<f4")
        changes[1:] *= 100
        changes.tofile(folder / "change.day.bin")
        folder.rename(folder.with_name(folder.name.upper()))
    other = run_parity(from_qlib, "own", device="cpu")
    assert other.found == plain.found
    assert other.found.holds
    assert other.directory.endswith("source")
    assert any(note.startswith("$change counts percent for") for note in other.notes)


def test_a_source_without_change_is_an_error_and_not_a_market_without_limits(from_qlib):
    [source] = open_market(from_qlib.root).origins("qlib")
    next((source / "features").glob("*/change.day.bin")).unlink()
    with pytest.raises(DataError, match=r"expected change.day.bin .* found none for 1 symbol"):
        run_parity(from_qlib, "own", device="cpu")


def test_trailing_volumes_and_groups_count_as_in_a_back_test(scored_workspace):
    workspace = add(scored_workspace, "liquidity: {participation: 0.001}\nrisk: {max_group: 0.5, groups: groups.csv}\n")
    symbols = open_market(workspace.root).instruments()["symbol"].to_list()
    rows = "".join(f"{symbol},{'odd' if n % 2 else 'even'}\n" for n, symbol in enumerate(symbols))
    (workspace.root / "groups.csv").write_text("symbol,group\n" + rows)
    # parity leaves the newest session out, so the back-test to compare with does, too
    add(workspace, f"end: {open_market(workspace.root).sessions()[-2]}\n")
    report = run_parity(workspace, "own", device="cpu")
    assert report.found.holds
    prepared = collect_inputs(workspace, "own", "cpu", compute=False)
    alone = simulate(prepared.strategy, prepared.panel, prepared.rules, None, None, None)
    assert {"volume cap", "group cap"} <= set(alone.rejections)
    # but for float32 prices, which a back-test takes for the cents that they were
    assert report.found.steps[-1].account == pytest.approx(alone.account[-1], rel=1e-7)
    assert report.basis_points == pytest.approx((alone.account[-1] / report.found.steps[0].account - 1) * 1e4, abs=0.1)
