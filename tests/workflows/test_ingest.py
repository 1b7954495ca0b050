"""The ingests of a workspace: the settings of kq.yaml as defaults, and our errors for what cannot be meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from kronos_quant.errors import ConfigError, KronosQuantError
from kronos_quant.market import export_bars, list_snapshots, prune_snapshots, symbol_history
from kronos_quant.workflows.workspace import Workspace, open_workspace
from kronos_quant.workspace import init_workspace

TABLE = pl.DataFrame(
    {
        "symbol": "AAPL",
        "date": ["2024-01-02", "2024-01-03", "2024-01-04"],
        **dict.fromkeys(("open", "high", "low", "close"), 10.0),
        "volume": [100, 200, 300],
    }
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("workspace")
    init_workspace(root, "market: {exchange: XNYS}\n")
    workspace = open_workspace(root)
    assert workspace.ingest(TABLE).exchange == "XNYS"
    return workspace


def test_bars_of_a_table_are_read_by_symbol_and_iso_dates(workspace: Workspace) -> None:
    assert workspace.bars("aapl", start="2024-01-03")["volume"].to_list() == [200, 300]
    assert workspace.universe(date="2024-01-04").members == ("AAPL",)
    assert symbol_history(workspace.market(), "AAPL").to_pandas().empty
    assert repr(workspace.check()).startswith("day bars: 3 of 1 symbol, 2024-01-02 to 2024-01-04; exchange: XNYS")


def test_tables_of_universes_and_facts_are_read_too(workspace: Workspace) -> None:
    spans = pl.DataFrame({"symbol": ["AAPL"], "start": ["2024-01-02"], "end": [None], "value": ["Phones"]})
    assert workspace.ingest_universe("mine", spans).path == "table"
    assert workspace.ingest_intervals("industry", spans).intervals == 1
    assert workspace.universe("mine").table().rows() == [("AAPL", "traded")]


def test_csv_and_qlib_directories_go_through_an_export_and_back(workspace: Workspace, tmp_path: Path) -> None:
    export_bars(workspace.market(), str(tmp_path / "qlib"), "qlib")
    export_bars(workspace.market(), str(tmp_path / "AAPL.csv"), "csv", symbols="AAPL")
    assert workspace.ingest_qlib(str(tmp_path / "qlib")).unchanged == 3
    assert workspace.ingest_csv(str(tmp_path / "AAPL.csv")).unchanged == 3
    assert list_snapshots(workspace.root)[0].current
    assert workspace.market().snapshot.folder.name not in prune_snapshots(workspace.root).removed


@pytest.mark.parametrize(
    "call",
    [
        lambda workspace: workspace.ingest(5),
        lambda workspace: workspace.ingest(TABLE, symbol=5),
        lambda workspace: workspace.ingest(TABLE, exchange="NYSE"),
        lambda workspace: workspace.ingest(TABLE, labels="middle"),
        lambda workspace: workspace.ingest_csv(None),
        lambda workspace: workspace.ingest_qlib("/nowhere"),
        lambda workspace: workspace.ingest_synthetic(strength=5),
        lambda workspace: workspace.ingest_synthetic(),
        lambda workspace: workspace.ingest_universe("mine", None),
        lambda workspace: workspace.ingest_intervals("colour", "st.csv"),
        lambda workspace: workspace.bars("AAPL", end="yesterday"),
        lambda workspace: workspace.bars("AAPLE"),
        lambda workspace: workspace.bars(freq="5min"),
        lambda workspace: workspace.universe("csi300"),
        lambda workspace: symbol_history(workspace.market(), 5),
        lambda workspace: export_bars(workspace.market(), None),
    ],
)
def test_what_cannot_be_meant_is_one_of_our_errors(workspace: Workspace, call: Callable[[Workspace], object]) -> None:
    with pytest.raises(KronosQuantError):
        call(workspace)


def test_snapshots_to_keep_are_a_number(workspace: Workspace) -> None:
    with pytest.raises(ConfigError, match="keep: expected at least 1, found 'all'"):
        prune_snapshots(workspace.root, "all")  # type: ignore[arg-type]
