"""Damaged files are found by the doctor, and a repair mends them or moves them aside, once."""

import shutil

import pytest

import kronos_quant as kq
from kronos_quant.market.snapshots import current_name
from kronos_quant.workflows.damage import find_damage
from kronos_quant.workflows.doctor import check_installation, repair_workspace


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "w"
    kq.init(folder).ingest_synthetic(symbols=5, sessions=130)
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "w")
    run = tmp_path / "w" / "runs" / "backtest" / "20240101-000000000-abcd"
    run.mkdir(parents=True)
    (run / "manifest.json").write_text('{"kind": "backtest", "id": "20240101-000000000-abcd", "status": "finished"}')
    return tmp_path / "w"


def snapshot_of(folder):
    snapshots = folder / "db" / "snapshots"
    return snapshots / current_name(snapshots)


FILES = {
    "pointer": lambda folder: folder / "db" / "snapshots" / "CURRENT",
    "meta": lambda folder: snapshot_of(folder) / "meta.json",
    "bars": lambda folder: snapshot_of(folder) / "bars.day.parquet",
    "manifest": lambda folder: next(folder.glob("runs/backtest/*/manifest.json")),
}


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[" * 5000, b"\xff\xfe\0", b"{}"])
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file_is_found_and_repaired_once(folder, file, content):
    bars = kq.open(folder).market().bars()
    path = FILES[file](folder)
    path.write_bytes(content)
    found = [finding for finding in check_installation(folder) if finding.about == "damaged"]
    assert [str(path) in finding.detail for finding in found] == [True]
    done, left = repair_workspace(folder)
    assert left == 0, done
    assert done
    assert repair_workspace(folder) == ([], 0)
    assert not find_damage(kq.open(folder).folder)
    assert kq.open(folder).market().bars().equals(bars)
