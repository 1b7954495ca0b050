"""The ingests of a workspace: the settings of kq.yaml as defaults, and our errors for what cannot be meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from kronos_quant.errors import ConfigError, KronosQuantError
from kronos_quant.workflows import bars, ingest
from kronos_quant.workspace import WorkspaceFolder, init_workspace, open_workspace_folder

TABLE = pl.DataFrame(
    {
        "symbol": "AAPL",
        "date": ["2024-01-02", "2024-01-03", "2024-01-04"],
        **dict.fromkeys(("open", "high", "low", "close"), 10.0),
        "volume": [100, 200, 300],
    }
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> WorkspaceFolder:
    root = tmp_path_factory.mktemp("workspace")
    init_workspace(root, "market: {exchange: XNYS}\n")
    workspace = open_workspace_folder(root)
    assert ingest.ingest_table(workspace, TABLE).exchange == "XNYS"
    return workspace


def test_bars_of_a_table_are_read_by_symbol_and_iso_dates(workspace: WorkspaceFolder) -> None:
    assert bars.load_bars(workspace, "aapl", start="2024-01-03")["volume"].to_list() == [200, 300]
    assert bars.list_universe(workspace, date="2024-01-04").members == ("AAPL",)
    assert bars.symbol_history(workspace, "AAPL").to_pandas().empty
    assert repr(bars.run_check(workspace)).startswith(
        "day bars: 3 of 1 symbol, 2024-01-02 to 2024-01-04; exchange: XNYS"
    )


def test_tables_of_universes_and_facts_are_read_too(workspace: WorkspaceFolder) -> None:
    spans = pl.DataFrame({"symbol": ["AAPL"], "start": ["2024-01-02"], "end": [None], "value": ["Phones"]})
    assert ingest.ingest_universe(workspace, "mine", spans).path == "table"
    assert ingest.ingest_intervals(workspace, "industry", spans).intervals == 1
    assert bars.list_universe(workspace, "mine").table().rows() == [("AAPL", "traded")]


def test_csv_and_qlib_directories_go_through_an_export_and_back(workspace: WorkspaceFolder, tmp_path: Path) -> None:
    bars.export_bars(workspace, str(tmp_path / "qlib"), "qlib")
    bars.export_bars(workspace, str(tmp_path / "AAPL.csv"), "csv", symbols="AAPL")
    assert ingest.ingest_qlib(workspace, str(tmp_path / "qlib")).unchanged == 3
    assert ingest.ingest_csv(workspace, str(tmp_path / "AAPL.csv")).unchanged == 3
    assert bars.list_snapshots(workspace)[0].current
    assert bars.prune_snapshots(workspace).removed == ()


@pytest.mark.parametrize(
    "call",
    [
        lambda workspace: ingest.ingest_table(workspace, 5),
        lambda workspace: ingest.ingest_table(workspace, TABLE, symbol=5),
        lambda workspace: ingest.ingest_table(workspace, TABLE, exchange="NYSE"),
        lambda workspace: ingest.ingest_table(workspace, TABLE, labels="middle"),
        lambda workspace: ingest.ingest_csv(workspace, None),
        lambda workspace: ingest.ingest_qlib(workspace, "/nowhere"),
        lambda workspace: ingest.ingest_synthetic(workspace, strength=5),
        lambda workspace: ingest.ingest_synthetic(workspace),
        lambda workspace: ingest.ingest_universe(workspace, "mine", None),
        lambda workspace: ingest.ingest_intervals(workspace, "colour", "st.csv"),
        lambda workspace: bars.load_bars(workspace, "AAPL", end="yesterday"),
        lambda workspace: bars.load_bars(workspace, "AAPLE"),
        lambda workspace: bars.load_bars(workspace, freq="5min"),
        lambda workspace: bars.list_universe(workspace, "csi300"),
        lambda workspace: bars.symbol_history(workspace, 5),
        lambda workspace: bars.export_bars(workspace, None),
    ],
)
def test_what_cannot_be_meant_is_one_of_our_errors(
    workspace: WorkspaceFolder, call: Callable[[WorkspaceFolder], object]
) -> None:
    with pytest.raises(KronosQuantError):
        call(workspace)


def test_snapshots_to_keep_are_a_number(workspace: WorkspaceFolder) -> None:
    with pytest.raises(ConfigError, match="keep: expected at least 1, found 'all'"):
        bars.prune_snapshots(workspace, "all")  # type: ignore[arg-type]
