from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from kronos_quant.market import Batch, open_market, origins_of, store_bars
from kronos_quant.market.origins import ORIGINS_FILE

BatchMaker = Callable[..., Batch]
SPAN = {1: 10.0, 2: 11.0, 4: 12.0}


def test_a_market_tells_where_its_bars_were_read_from_the_last_first(tmp_path: Path, make_batch: BatchMaker) -> None:
    batch = replace(make_batch({"SH600000": SPAN}), source="qlib")
    for name in ("old", "new", "old"):
        store_bars(tmp_path, replace(batch, path=tmp_path / name))
    store_bars(tmp_path, replace(batch, source="csv", path=tmp_path / "more.csv"))
    store_bars(tmp_path, batch)
    market = open_market(tmp_path)
    # the same bars each time: one snapshot, whose origins are nonetheless the newest
    assert len(list((tmp_path / "db" / "snapshots").glob("[0-9a-f]*"))) == 1
    assert origins_of(market, "qlib") == [tmp_path / "old", tmp_path / "new"]
    assert origins_of(market, "csv") == [tmp_path / "more.csv"]
    assert origins_of(market, "synthetic") == []


def test_a_snapshot_of_an_older_version_tells_nothing(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_bars(tmp_path, replace(make_batch({"SH600000": SPAN}), path=tmp_path / "bars"))
    market = open_market(tmp_path)
    (market.snapshot.folder / ORIGINS_FILE).unlink()
    assert origins_of(market, "test") == []
