"""No target bar in two splits, whatever the way to split; and the guides' overlapping ranges."""

import numpy as np
import pytest
import yaml
from made import ROOT
from training.jobs import job_in

from kronos_quant import ConfigError
from kronos_quant.assets import asset_dir
from kronos_quant.config import TrainConfig, load_workspace_config
from kronos_quant.market import open_market
from kronos_quant.training import load_data
from kronos_quant.training.batches.data import split_times
from kronos_quant.windows import build_index, target_mask, universe_table
from kronos_quant.workflows.demo import CONFIG as DEMO_CONFIG
from kronos_quant.workspace import TEMPLATE


def targets(data, index):
    """(first, last) target time of every window."""
    return data.table.time[index.anchor + 1], data.table.time[index.anchor + index.predict]


def load(workspace, **settings):
    market = open_market(workspace.root)
    return load_data(market, job_in(workspace, "splits", **settings).train, "all"), market


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"embargo": 5},
        {"train_ratio": 0.8, "val_ratio": 0.2},
        {
            "train_time_range": ["2024-11-01", "2025-03-01"],
            "val_time_range": ["2025-02-01", "2025-04-01"],
            "test_time_range": ["2025-03-20", "2025-06-30"],
            "embargo": 3,
        },
    ],
)
def test_target_intervals_of_the_splits_are_disjoint_with_the_embargo_between(market_workspace, settings):
    data, market = load(market_workspace, validation_windows="all", **settings)
    sessions = np.array(market.sessions(), dtype="datetime64[us]")
    _, train_end = targets(data, data.train)
    val_start, val_end = targets(data, data.val)
    embargo = settings.get("embargo", 0)
    assert np.searchsorted(sessions, val_start.min()) - np.searchsorted(sessions, train_end.max()) > embargo
    assert np.searchsorted(sessions, data.splits.test.start) - np.searchsorted(sessions, val_end.max()) > embargo


def test_ranges_of_the_guides_overlap_by_the_lookback_and_that_part_is_lookback_only(market_workspace, caplog):
    with caplog.at_level("INFO"):
        data, _ = load(
            market_workspace,
            train_time_range=["2024-11-01", "2025-02-28"],
            val_time_range=["2025-02-01", "2025-04-15"],
            test_time_range=["2025-04-01", "2025-05-15"],
        )
    days = [str(getattr(span, end))[:10] for span in (data.splits.train, data.splits.val, data.splits.test)
            for end in ("start", "end")]  # fmt: skip
    assert days[1] == "2025-02-28"
    assert days[2] == "2025-03-03"  # a Monday: the first session after February
    assert days[4] > days[3] == "2025-04-15"
    assert days[5] == "2025-05-15"
    assert "train.val_time_range: from 2025-03-01 on its bars are targets" in caplog.text


def test_a_range_that_lies_within_an_earlier_one_is_refused(market_workspace):
    with pytest.raises(ConfigError, match=r"train\.val_time_range: must end after training's targets") as caught:
        load(
            market_workspace, train_time_range=["2024-11-01", "2025-02-28"], val_time_range=["2025-01-01", "2025-02-28"]
        )
    assert "found 2025-02-28" in str(caught.value)


def shipped() -> dict[str, str]:
    """The text of every kq.yaml that ships."""
    texts = {"template": TEMPLATE, "demo": DEMO_CONFIG, "root": (ROOT / "kq.yaml").read_text()}
    recipes = asset_dir("signals").parent.glob("kq*.yaml")
    return texts | {str(path): path.read_text() for path in recipes}


@pytest.mark.parametrize("name", sorted(shipped()))
def test_no_config_that_ships_has_a_target_bar_in_two_splits(market_workspace, tmp_path, name):
    (tmp_path / "kq.yaml").write_text(shipped()[name])
    config = load_workspace_config(tmp_path / "kq.yaml").config.train
    assert yaml.safe_load(shipped()[name])
    market = open_market(market_workspace.root)
    table, _ = universe_table(market, "all")
    # windows short enough for the small market; the splits are the config's own
    splits = split_times(table, config, market.sessions())
    index = build_index(table, 5, 3, config.max_missing_bars)
    chosen = [target_mask(table, index, span) for span in (splits.train, splits.val, splits.test)]
    seen: set[int] = set()
    for mask in chosen:
        anchors = index.anchor[mask]
        rows = {int(row) for anchor in anchors for row in range(anchor + 1, anchor + 4)}
        assert rows
        assert not rows & seen
        seen |= rows


def test_validation_takes_evenly_spaced_windows_or_all(market_workspace):
    few, _ = load(market_workspace, validation_windows=10)
    assert len(few.val) == 10
    (market_workspace.root / "splits").rmdir()
    everything, _ = load(market_workspace, validation_windows="all")
    assert len(everything.val) > 100
    assert TrainConfig().validation_windows is None
