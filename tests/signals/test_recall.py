"""What dates see is recalled while the bars are the same, and computed again otherwise."""

import json
from dataclasses import replace

import polars as pl
import pytest

from kronos_quant.market.calendar_files import path_of
from kronos_quant.signals import ComputedSource
from kronos_quant.signals.recall import FOLDER, recall


@pytest.fixture
def stored(bench, tmp_path):
    """A bench with ten dates in a store of its own, the source of its signals, and the dates."""
    made = bench(tmp_path / "store")
    dates = made.market.sessions()[-10:]
    made.pretend(dates[:-1])
    return made, lambda: ComputedSource(made.market, made.recipe, made.store, made.weights), dates


def test_what_is_recalled_is_what_would_be_computed(stored):
    made, source, dates = stored
    first = source().coverage(dates)
    assert first == (set(dates[:-1]), [dates[-1]])
    plan = made.plan(dates)
    assert recall(made.market, made.store) == plan.seen | dict.fromkeys(plan.empty)
    assert source().coverage(dates) == first
    made.store.path(dates[0]).unlink()  # what is stored is looked at anew
    made.store.write(dates[1], pl.DataFrame(), "other bars")
    assert source().coverage(dates) == (set(dates[2:-1]), [dates[0], dates[1], dates[-1]])
    assert source().coverage(made.market.sessions()[-12:])[1][:2] == made.market.sessions()[-12:-10]


def test_of_other_bars_nothing_is_recalled(stored):
    made, source, dates = stored
    source().coverage(dates)
    bars = made.market.bars(start=dates[-3]).filter(pl.col("date") == dates[-3])
    made.ingest(bars.with_columns(pl.col("volume") * 2))
    assert recall(made.market, made.store) == {}
    assert source().coverage(dates)[1] == dates[-3:]


def test_of_another_calendar_nothing_is_recalled(stored):
    made, source, dates = stored
    first = source().coverage(dates)
    path_of(made.market.snapshot.folder, "day").unlink()  # as of an older version: what is installed decides
    assert recall(made.market, made.store) == {}
    assert source().coverage(dates) == first


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"dates": 1}', "\0", "[" * 5000])
def test_a_damaged_record_is_made_again(stored, damage):
    made, source, dates = stored
    first = source().coverage(dates)
    path = made.store.root.parent / FOLDER / f"{made.store.digest}.json"
    whole = path.read_text()
    path.write_text(damage)
    assert source().coverage(dates) == first
    assert path.read_text() == whole


def test_a_digest_that_was_changed_is_noticed(stored):
    made, source, dates = stored
    first = source().coverage(dates)
    path = made.store.root.parent / FOLDER / f"{made.store.digest}.json"
    content = json.loads(path.read_text())
    content["dates"][str(dates[0])] = "0" * 32
    path.write_text(json.dumps(content))
    assert source().coverage(dates) == first


def test_a_store_that_cannot_be_written_is_read_all_the_same(stored):
    made, source, dates = stored
    (made.store.root.parent / FOLDER).write_text("a file where the folder would be")
    assert source().coverage(dates) == (set(dates[:-1]), [dates[-1]])
    assert replace(source(), market=made.market).coverage(dates)[1] == [dates[-1]]
