import errno
import json
import os
from datetime import date

import numpy as np
import polars as pl
import pytest

from kronos_quant import DataError, KronosQuantError
from kronos_quant.model import ModelCard, Pair
from kronos_quant.signals import Recipe, SignalStore, Weights
from kronos_quant.signals.recipe import resolve_recipe
from kronos_quant.signals.store import FORMAT, Note, stored_folders

ON, LATER = date(2025, 6, 4), date(2025, 6, 5)


def rows(on, score=0.5):
    return pl.DataFrame({"date": [on] * 300, "symbol": [f"S{i:03d}" for i in range(300)], "last": [score] * 300})


@pytest.fixture
def store(tmp_path):
    weights = Weights("tiny", Pair(None, None, 512, "abc"), "abc", ModelCard(lookback_window=16, predict_window=4))
    return SignalStore(tmp_path / "store", resolve_recipe(Recipe(), weights, "all", "day", "mine"))


def test_what_is_written_is_read_back_in_the_order_asked_for(store):
    store.write(ON, rows(ON, 0.1), "seen")
    store.write(LATER, rows(LATER, 0.2), "seen")
    assert store.read([LATER, ON]).equals(pl.concat([rows(LATER, 0.2), rows(ON, 0.1)]))
    assert sorted(path.name for path in store.folder.iterdir()) == [
        "2025-06-04.parquet",
        "2025-06-05.parquet",
        "recipe.json",
    ]
    told = json.loads((store.folder / "recipe.json").read_text())
    assert told == {"format": FORMAT, "name": "mine", "model": "tiny", "recipe": store.recipe.content()}
    assert store.note() == Note("mine", "tiny", store.recipe.content())
    assert store.dates() == [ON, LATER]
    assert store.bytes() == sum(path.stat().st_size for path in store.folder.iterdir())
    assert store.folder.name == store.recipe.digest


def test_a_date_is_held_only_while_what_it_saw_is_the_same(store):
    assert not store.holds(ON, "seen")
    store.write(ON, rows(ON), "seen")
    assert store.holds(ON, "seen")
    assert not store.holds(ON, "seen another bar")
    assert not store.holds(LATER, "seen")


def test_writing_again_replaces_a_date(store):
    store.write(ON, rows(ON, 0.1), "old")
    store.write(ON, rows(ON, 0.2), "new")
    assert store.holds(ON, "new")
    assert store.read([ON])["last"].unique().to_list() == [0.2]


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_broken_half_file_is_not_held(store, share):
    store.write(ON, rows(ON), "seen")
    path = store.path(ON)
    os.truncate(path, int(share * path.stat().st_size))
    assert not store.holds(ON, "seen")
    assert store.broken() == [path]
    with pytest.raises(DataError, match=r"2025-06-04\.parquet: not a readable signal file"):
        store.read([ON])


def test_a_file_damaged_inside_is_named_when_it_is_read(store):
    store.write(ON, rows(ON), "seen")
    content = bytearray(store.path(ON).read_bytes())
    content[4:200] = bytes(196)
    store.path(ON).write_bytes(content)
    with pytest.raises(DataError, match=r"2025-06-04\.parquet: not a readable signal file") as caught:
        store.read([ON])
    assert caught.value.hint == "Delete it and run kq signal again."


def test_no_bit_that_a_disk_turned_over_comes_back_as_another_score(store):
    drawn = np.random.default_rng(0).standard_normal(300)
    store.write(ON, rows(ON).with_columns(pl.Series("last", drawn)), "seen")
    path, before = store.path(ON), store.read([ON])
    content, refused = path.read_bytes(), 0
    for i, place in enumerate(range(0, len(content), 7)):
        changed = bytearray(content)
        changed[place] ^= 1 << i % 8
        path.write_bytes(changed)
        try:
            assert store.read([ON]).equals(before)
        except DataError:
            refused += 1
        store.broken()
        store.dates()
    assert refused > 250


def test_dates_without_a_file_are_left_out_and_no_date_at_all_is_an_error(store):
    store.write(ON, rows(ON), "seen")
    assert store.read([ON, LATER])["date"].unique().to_list() == [ON]
    with pytest.raises(DataError, match="no signals in the store for these dates"):
        store.read([LATER])


def test_a_full_disk_leaves_the_old_file_and_no_partial(store, monkeypatch):
    store.write(ON, rows(ON, 0.1), "old")

    def full(table, target, **_):
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(KronosQuantError, match="no space left on the disk"):
        patch.setattr("pyarrow.parquet.write_table", full)
        store.write(ON, rows(ON, 0.2), "new")
    assert store.holds(ON, "old")
    assert sorted(path.name for path in store.folder.iterdir()) == ["2025-06-04.parquet", "recipe.json"]


NEWER = rf"written by a newer kronos-quant \(store format {FORMAT + 1}; this one knows {FORMAT}\)"


def test_a_store_of_a_newer_version_is_neither_read_nor_written(store):
    store.write(ON, rows(ON), "seen")
    note = store.folder / "recipe.json"
    note.write_text(note.read_text().replace(f'"format": {FORMAT}', f'"format": {FORMAT + 1}'))
    before = {path: path.read_bytes() for path in store.folder.iterdir()}
    for attempt in (lambda: store.read([ON]), lambda: store.write(LATER, rows(LATER), "seen"), store.note):
        with pytest.raises(DataError, match=NEWER) as caught:
            attempt()
        assert caught.value.hint == "pip install --upgrade kronos-quant"
    assert {path: path.read_bytes() for path in store.folder.iterdir()} == before


def test_a_single_file_of_a_newer_version_is_refused_too(store):
    store.write(ON, rows(ON), "seen")
    rows(LATER).write_parquet(store.path(LATER), metadata={"kq.seen": "seen", "kq.format": str(FORMAT + 1)})
    with pytest.raises(DataError, match=NEWER):
        store.holds(LATER, "seen")
    with pytest.raises(DataError, match=NEWER):
        store.read([LATER])
    assert store.holds(ON, "seen")


@pytest.mark.parametrize("content", ["", "{", "[1]", '"text"'])
def test_a_broken_note_is_one_clear_line(store, content):
    store.write(ON, rows(ON), "seen")
    (store.folder / "recipe.json").write_text(content)
    with pytest.raises(DataError, match=r"recipe\.json: (not readable as JSON|expected a JSON object)") as caught:
        store.read([ON])
    assert caught.value.hint.startswith("Delete this file only: the next kq signal")
    (store.folder / "recipe.json").unlink()
    store.write_note()
    assert store.read([ON]).height == 300


def test_stored_paths_are_read_only_when_they_are_asked_for(store):
    paths = pl.Series("paths", [[[0.1, 0.2], [0.3, 0.4]]] * 300, dtype=pl.Array(pl.Float32, (2, 2)))
    store.write(ON, rows(ON).with_columns(paths), "seen")
    assert store.read([ON]).columns == ["date", "symbol", "last"]
    assert store.read([ON], paths=True)["paths"].to_numpy()[0] == pytest.approx(paths.to_numpy()[0])


def test_what_is_no_recipes_folder_is_not_of_the_store(store, tmp_path):
    store.write(ON, rows(ON), "seen")
    (tmp_path / "store" / "my notes").mkdir()
    (tmp_path / "store" / ".pruned-0123456789abcdef").mkdir()
    assert [folder.digest for folder in stored_folders(tmp_path / "store")] == [store.recipe.digest]
    assert stored_folders(tmp_path / "nowhere") == []
