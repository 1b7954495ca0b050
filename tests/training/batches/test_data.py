"""No target bar in two splits, whatever the way to split; and the guides' overlapping ranges.

And which validation windows are forecast.
"""

import numpy as np
import polars as pl
import pytest
import yaml
from made import ROOT, make_bars, weekdays
from training.jobs import job_in

from kronos_quant import ConfigError, DataError
from kronos_quant.config import TrainConfig, load_workspace_config
from kronos_quant.files import asset_dir
from kronos_quant.market import open_market
from kronos_quant.training import load_data
from kronos_quant.training.batches.data import draw_cross_sections, evenly_spaced, split_times
from kronos_quant.windows import bar_table, build_index, target_mask, universe_table
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


DATED = {"train_time_range": ["2024-11-01", "2025-03-01"], "val_time_range": ["2025-02-01", "2025-06-30"]}


@pytest.mark.parametrize("settings", [{}, DATED, DATED | {"test_time_range": ["2025-05-01", "2025-06-30"]}])
def test_the_bounds_of_the_dataset_hold_in_every_split_however_it_is_made(market_workspace, settings):
    bounds = {"dataset_begin_time": "2024-12-20", "dataset_end_time": "2025-05-09"}
    if "test_time_range" in settings:
        settings = settings | {"val_time_range": ["2025-02-01", "2025-04-20"]}
    data, _ = load(market_workspace, validation_windows="all", **settings, **bounds)
    first, last = np.datetime64("2024-12-20"), np.datetime64("2025-05-10")
    for index in (data.train, data.val):
        start, end = targets(data, index)
        assert start.min() >= first
        assert end.max() < last
    assert data.splits.test.end < last
    # the lookback of the first window may reach back before the bounds
    assert targets(data, data.train)[0].min() < first + np.timedelta64(5, "D")


def test_bounds_without_bars_are_refused(market_workspace):
    with pytest.raises(DataError, match="no bars from 2030-01-01 to the last, the bounds of the dataset"):
        load(market_workspace, dataset_begin_time="2030-01-01")


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
    assert "train.val_time_range: targets start on 2025-03-01; bars from 2025-02-01 belong to training" in caplog.text


def test_a_range_that_lies_within_an_earlier_one_is_refused(market_workspace):
    with pytest.raises(ConfigError, match=r"train\.val_time_range: must end after the training targets") as caught:
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


LOOKBACK, PREDICT = 5, 4


def market(symbols, sessions, without=()):
    """Windows of `symbols` made stocks; `without` are (symbol, session) pairs that have no bar."""
    dates = weekdays(sessions)
    bars = make_bars([f"S{number:02d}" for number in range(symbols)], dates)
    for symbol, session in without:
        bars = bars.filter(~((pl.col("symbol") == f"S{symbol:02d}") & (pl.col("date") == dates[session])))
    table = bar_table(bars, dates)
    return table, build_index(table, LOOKBACK, PREDICT, 10)


def times_of(table, sections):
    return table.time[sections.index.anchor]


def test_dates_are_evenly_spaced_their_targets_do_not_overlap_and_each_has_as_many_symbols():
    # 40 sessions leave 32 anchors; targets of 4 bars do not overlap on 8 of them
    table, index = market(30, 40)
    sections = draw_cross_sections(table, index, 160, PREDICT)
    assert (len(sections), sections.dates, sections.most_symbols) == (160, 8, 20)
    assert np.bincount(sections.date).tolist() == [20] * 8
    sessions = table.session[sections.index.anchor]
    assert np.diff(np.unique(sessions)).min() >= PREDICT
    assert sections.block.tolist() == sections.date.tolist()
    for number in range(8):
        assert len(set(times_of(table, sections)[sections.date == number])) == 1


def test_few_windows_are_few_dates_rather_than_few_symbols_a_date():
    table, index = market(30, 40)
    sections = draw_cross_sections(table, index, 25, PREDICT)
    assert np.bincount(sections.date).tolist() == [12, 13]
    alone = draw_cross_sections(table, index, 1, PREDICT)
    assert (len(alone), alone.dates, alone.block.tolist()) == (1, 1, [0])


def test_where_there_are_few_symbols_dates_lie_closer_and_share_blocks_of_two_horizons():
    table, index = market(1, 100)
    sections = draw_cross_sections(table, index, 46, PREDICT)
    assert (len(sections), sections.dates, sections.most_symbols) == (46, 46, 1)
    spacing = np.diff(table.session[sections.index.anchor])
    assert set(spacing.tolist()) <= {2, 3}
    # 92 anchors in blocks of 2 x 4
    assert len(np.unique(sections.block)) == 12
    assert np.bincount(sections.block).max() == 4


def test_more_than_there_are_is_all_of_them():
    table, index = market(3, 20)
    sections = draw_cross_sections(table, index, 10_000, PREDICT)
    assert sorted(sections.index.anchor.tolist()) == index.anchor.tolist()


def test_the_draw_is_the_same_every_time_and_differs_by_date():
    table, index = market(30, 40)
    first, again = (draw_cross_sections(table, index, 80, PREDICT) for _ in range(2))
    assert first.index.anchor.tolist() == again.index.anchor.tolist()
    symbols = [set(table.symbol_id[first.index.anchor[first.date == number]].tolist()) for number in range(2)]
    assert symbols[0] != symbols[1]


def test_a_shorter_horizon_gives_shorter_windows_and_more_dates():
    table, index = market(30, 40)
    sections = draw_cross_sections(table, index, 320, 2)
    assert (sections.index.lookback, sections.index.predict) == (LOOKBACK, 2)
    assert sections.dates == 16


def test_dates_on_which_hardly_any_symbol_has_a_window_are_left_out():
    # S00 misses the session after the first anchor: of the windows with targets later, it alone is anchored so early
    table, index = market(20, 40, without=[(0, LOOKBACK)])
    late = index.where(table.session[index.anchor + 1] > LOOKBACK)
    assert np.unique(table.session[late.anchor], return_counts=True)[1][0] == 1
    sections = draw_cross_sections(table, late, 100, PREDICT)
    assert np.bincount(sections.date).min() >= 10
    assert table.session[sections.index.anchor].min() > LOOKBACK - 1


@pytest.mark.parametrize("wanted", [1, 7, 33, 100])
def test_never_more_than_asked_for_and_every_window_once(wanted):
    table, index = market(12, 60, without=[(0, 20), (1, 30)])
    sections = draw_cross_sections(table, index, wanted, 3)
    assert 0 < len(sections) <= wanted
    assert len(set(sections.index.anchor.tolist())) == len(sections)


def test_evenly_takes_both_ends_and_no_more_than_there_are():
    assert np.flatnonzero(evenly_spaced(11, 3)).tolist() == [0, 5, 10]
    assert evenly_spaced(4, 100).all()
