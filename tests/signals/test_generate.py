"""The promises of the store: nothing computed twice, nothing stale, the same bytes however it was made."""

import os
import sys
from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from kronos_quant import schema
from kronos_quant.market import next_times
from kronos_quant.signals import SignalStore
from kronos_quant.signals.generate import make_plan
from kronos_quant.workspace import init_workspace, open_workspace_folder

STEADY = "MADE0001"
"""A symbol with a bar on every session."""


def restated(bars: pl.DataFrame, on: date) -> pl.DataFrame:
    """The bar of one date with twice the volume."""
    return bars.filter((pl.col("symbol") == STEADY) & (pl.col("date") == on)).with_columns(pl.col("volume") * 2)


def files(store: SignalStore) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.folder.iterdir()}


def with_enough_bars(bars: pl.DataFrame, on: date, lookback: int) -> list[str]:
    """Stocks that have a bar on a date and `lookback` bars up to it, counted the plain way."""
    found = []
    for (symbol,), own in bars.filter(pl.col("date") <= on).group_by("symbol"):
        if symbol != "MADE_INDEX" and own["date"].max() == on and own.height >= lookback:
            found.append(symbol)
    return sorted(found)


def test_a_restated_bar_makes_exactly_the_dates_missing_whose_windows_hold_it(bench):
    made = bench()
    sessions, bars = made.market.sessions(), made.market.bars()
    assert bars.filter(pl.col("symbol") == STEADY)["date"].to_list() == sessions
    made.pretend(sessions)
    assert made.missing(sessions) == []
    made.ingest(restated(bars, sessions[60]))
    assert made.missing(sessions) == sessions[60 : 60 + made.recipe.lookback]


def test_a_restated_factor_alone_makes_the_dates_missing_that_store_raw_closes_by_it(bench):
    made = bench()
    sessions, bars = made.market.sessions(), made.market.bars()
    made.pretend(sessions)
    one = bars.filter((pl.col("symbol") == STEADY) & (pl.col("date") == sessions[60]))
    made.ingest(one.with_columns(pl.col("factor") * 2))
    assert made.missing(sessions) == sessions[60 : 60 + made.recipe.lookback]


def test_a_bar_after_a_date_changes_nothing_before_it(bench):
    made = bench()
    sessions, bars = made.market.sessions(), made.market.bars()
    made.pretend(sessions)
    tomorrow = next_times(made.market.last_time(), 1, schema.DAILY, "XNYS").times[0]
    newest = bars.filter(pl.col("date") == sessions[-1])
    made.ingest(newest.with_columns(date=pl.lit(tomorrow.date()), time=pl.lit(tomorrow).cast(pl.Datetime("us"))))
    assert made.market.sessions() == [*sessions, tomorrow.date()]
    assert made.missing([*sessions, tomorrow.date()]) == [tomorrow.date()]


def test_without_an_exchange_a_date_sees_the_same_whatever_came_after_it(bench, tmp_path):
    made = bench()
    bars = made.market.bars([STEADY, "MADE0002"])
    cut = date(2024, 12, 24)  # Christmas follows
    parts = []
    for name, part in (("whole", bars), ("cut", bars.filter(pl.col("date") <= cut))):
        init_workspace(tmp_path / name)
        one = replace(made, workspace=open_workspace_folder(tmp_path / name))
        one.ingest(part, exchange="")
        parts.append(one.plan([on for on in one.market.sessions() if on <= cut]).seen)
    assert parts[0] == parts[1]
    assert max(parts[0]) == cut


def test_a_restated_bar_changes_no_row_of_another_symbol(bench):
    made = bench()
    on = made.market.sessions()[-1]
    before = made.compute([on])
    made.ingest(restated(made.market.bars(), on))
    after = made.compute([on])
    others = pl.col("symbol") != STEADY
    assert after.filter(others).equals(before.filter(others))
    assert not after.filter(~others).equals(before.filter(~others))


def test_a_second_run_computes_nothing_and_touches_no_file(bench):
    made = bench()
    dates = made.market.sessions()[-3:]
    made.compute(dates)
    before = {path: path.stat().st_mtime_ns for path in made.store.folder.iterdir()}
    plan = made.plan(dates)
    assert (plan.missing, plan.present, plan.windows) == ([], dates, 0)
    made.compute(dates)
    assert {path: path.stat().st_mtime_ns for path in made.store.folder.iterdir()} == before


def test_the_numbers_do_not_depend_on_which_dates_are_asked_for_together(bench, tmp_path):
    together, alone = bench(tmp_path / "a"), bench(tmp_path / "b")
    dates = together.market.sessions()[-3:]
    together.compute(dates)
    for on in reversed(dates):
        alone.compute([on])
    assert files(together.store) == files(alone.store)


def test_a_broken_half_file_is_computed_anew_and_the_same(bench):
    made = bench()
    dates = made.market.sessions()[-2:]
    made.compute(dates)
    before = files(made.store)
    broken = made.store.path(dates[0])
    os.truncate(broken, broken.stat().st_size // 2)
    assert made.missing(dates) == [dates[0]]
    made.compute(dates)
    assert files(made.store) == before


def test_killed_between_dates_and_run_again_leaves_what_one_run_leaves(bench, tmp_path, monkeypatch):
    whole, killed = bench(tmp_path / "whole"), bench(tmp_path / "killed")
    dates = whole.market.sessions()[-4:]
    whole.compute(dates)
    write = SignalStore.write

    def kill_at_the_third(self, on, scores, seen):
        if on == dates[2]:
            raise KeyboardInterrupt
        write(self, on, scores, seen)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(SignalStore, "write", kill_at_the_third)
        killed.compute(dates)
    assert killed.missing(dates) == dates[2:]
    assert len(files(killed.store)) == 3
    killed.compute(dates)
    assert files(killed.store) == files(whole.store)


def test_the_newest_session_has_signals(bench):
    made = bench()
    newest = made.market.sessions()[-1]
    rows = made.compute([newest])
    assert rows["date"].unique().to_list() == [newest]
    assert rows["symbol"].to_list() == with_enough_bars(made.market.bars(), newest, made.recipe.lookback)
    assert rows.null_count().sum_horizontal().item() == 0


def test_a_symbol_without_a_bar_or_with_too_few_has_no_signal(bench):
    made = bench()
    sessions, bars = made.market.sessions(), made.market.bars()
    plan = made.plan(sessions)
    assert plan.empty == sessions[: made.recipe.lookback - 1]
    for work in plan.missing:
        symbols = [plan.table.symbols[i] for i in plan.table.symbol_id[work.index.anchor]]
        assert symbols == with_enough_bars(bars, work.on, made.recipe.lookback)
    # the made market has listings, delistings and suspensions: the count is not the same on every date
    assert len({len(work.index) for work in plan.missing}) > 1


def test_a_window_with_more_sessions_without_a_bar_than_allowed_has_no_signal(bench):
    strict, lax = bench(max_missing_bars=0), bench(max_missing_bars=5)
    sessions, bars = strict.market.sessions(), strict.market.bars()
    # two sessions are taken out of the windows of the 15 dates after them
    gap, after = sessions[100:102], sessions[102]
    own = bars.filter((pl.col("symbol") == STEADY) & ~pl.col("date").is_in(gap))
    renamed = own.with_columns(symbol=pl.lit("GAPPY"))
    strict.ingest(renamed)
    for made, expected in ((strict, False), (lax, True)):
        plan = made.plan([after])
        anchors = plan.missing[0].index.anchor
        assert ("GAPPY" in [plan.table.symbols[i] for i in plan.table.symbol_id[anchors]]) is expected


def test_an_index_is_not_scored(bench):
    made = bench()
    assert "MADE_INDEX" in made.market.instruments()["symbol"]
    assert "MADE_INDEX" not in made.plan(made.market.sessions()).table.symbols


def test_a_universe_is_scored_as_it_was_on_each_date(bench):
    made = bench()
    sessions = made.market.sessions()
    spans = [("pair", STEADY, sessions[0], sessions[-1]), ("pair", "MADE0002", sessions[0], sessions[-2])]
    members = pl.DataFrame(spans, schema=schema.UNIVERSES, orient="row")
    made.ingest(made.market.bars([STEADY]), universes=members)
    pair = bench(universe="pair")
    before, newest = pair.plan(sessions[-2:]).missing
    assert (len(before.index), len(newest.index)) == (2, 1)
    # who leaves later was a member before all the same: its bars stay in the table
    assert pair.compute(sessions[-1:])["symbol"].to_list() == [STEADY]


def test_a_change_of_members_makes_only_the_dates_it_touches_missing(bench):
    made = bench()
    sessions = made.market.sessions()

    def members(until: date) -> pl.DataFrame:
        spans = [("few", STEADY, sessions[0], sessions[-1]), ("few", "MADE0002", sessions[0], until)]
        return pl.DataFrame(spans, schema=schema.UNIVERSES, orient="row")

    made.ingest(made.market.bars([STEADY]), universes=members(sessions[-5]))
    few = bench(universe="few")
    few.pretend(sessions)
    made.ingest(made.market.bars([STEADY]), universes=members(sessions[-3]))
    assert few.missing(sessions) == sessions[-4:-2]


def test_how_long_the_others_take_is_told_after_a_few_dates(bench, caplog):
    caplog.set_level("INFO", "kronos_quant")
    made = bench(samples=1, horizon=1)
    made.compute(made.market.sessions()[-11:])
    assert "left for 6 sessions" in caplog.text


def asofs(rows):
    return rows["asof"].unique().sort().dt.strftime("%H:%M").to_list()


def test_intraday_signals_are_made_at_the_close_unless_the_recipe_says_when(intraday):
    made = intraday()
    sessions = made.market.sessions()
    rows = made.compute(sessions[20:22])
    # who did not trade in the afternoon has seen the bar of 11:30 last, and forecasts from there
    assert rows.filter(pl.col("date") == sessions[20]).sort("symbol")["asof"].dt.strftime("%H:%M").to_list() == [
        "15:00", "15:00", "15:00", "11:30",
    ]  # fmt: skip
    assert asofs(rows.filter(pl.col("date") == sessions[21])) == ["15:00"]


def test_several_moments_a_session_are_one_file_in_the_order_of_time_and_symbol(intraday):
    made = intraday(asof={"times": ["11:30", "14:00", "15:00"]})
    on = made.market.sessions()[20]
    rows = made.compute([on])
    assert made.store.dates() == [on]
    assert asofs(rows) == ["11:30", "14:00", "15:00"]
    assert rows.select("asof", "symbol").equals(rows.select("asof", "symbol").sort("asof", "symbol"))
    # a symbol that has no bar then is not scored then
    assert rows.group_by("asof", maintain_order=True).len()["len"].to_list() == [4, 3, 3]


def test_a_moment_within_a_session_sees_what_it_would_see_alone_and_nothing_later(intraday):
    every, late = intraday(asof={"every": 2}), intraday()
    sessions = every.market.sessions()
    rows, close = every.compute(sessions[24:25]), late.compute(sessions[24:25])
    assert asofs(rows) == ["10:30", "11:30", "14:00", "15:00"]
    assert rows.filter(pl.col("asof").dt.hour() == 15).equals(close)
    # the closes of the stored rows are those of the bars that ended then
    bars = every.market.bars(start=sessions[24], end=sessions[24]).select(
        "symbol", pl.col("time").alias("asof"), pl.col("close").cast(pl.Float64).alias("known")
    )
    assert rows.join(bars, on=["symbol", "asof"]).select((pl.col("close") == pl.col("known")).all()).item()
    assert rows.height == 16


def test_a_date_of_many_windows_is_computed_piece_by_piece_to_the_same_bytes(intraday, monkeypatch):
    made = intraday(asof={"every": 2})
    on = made.market.sessions()[24]
    made.compute([on])
    whole = files(made.store)
    made.store.path(on).unlink()
    monkeypatch.setattr(sys.modules[make_plan.__module__], "PART", 5)
    # pieces are whole moments of four symbols: two of them hold five windows and more
    assert [len(part) for part in made.plan([on]).missing[0].parts] == [8, 8]
    made.compute([on])
    assert files(made.store) == whole


def test_a_later_bar_of_a_session_changes_only_that_session(intraday):
    made = intraday(asof={"times": ["11:30", "15:00"]})
    sessions = made.market.sessions()
    made.pretend(sessions)
    bars = made.market.bars()
    newest = bars.filter((pl.col("date") == sessions[-1]) & (pl.col("time").dt.hour() == 15))
    made.ingest(newest.with_columns(volume=pl.col("volume") * 2), exchange="XSHG", freq="30min")
    assert made.missing(sessions) == sessions[-1:]
