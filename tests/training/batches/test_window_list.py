"""Every window once: what the loaders of all ranks yield, with and without workers."""

import polars as pl
import pytest
from training.jobs import job_in

from kronos_quant.market import open_market
from kronos_quant.training import list_windows, load_data

KEYS = ["symbol", "asof"]


@pytest.fixture(scope="module")
def loaded(market_folder, tmp_path_factory):
    import shutil

    from kronos_quant.workspace import open_workspace_folder

    folder = tmp_path_factory.mktemp("windows") / "workspace"
    shutil.copytree(market_folder, folder)
    workspace = open_workspace_folder(folder)
    job = job_in(workspace, samples_per_epoch="all", validation_windows="all")
    return load_data(open_market(workspace.root), job.train, "all"), job.train


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("workers", [0, 2, 4])
def test_every_window_is_drawn_once_whatever_the_ranks_and_the_workers(loaded, ranks, workers):
    data, config = loaded
    windows = list_windows(data, config, ranks=ranks, workers=workers)
    for split, index in (("train", data.train), ("val", data.val)):
        part = windows.filter(pl.col("split") == split)
        assert part.n_unique(KEYS) / part.height == 1.0
        assert part.height == len(index)


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_a_step_has_the_same_windows_for_any_number_of_ranks(loaded, ranks):
    data, config = loaded
    alone, shared = (
        list_windows(data, config, ranks=count, epoch=2)
        .filter(pl.col("split") == "train")
        .sort("step", *KEYS)
        .select("step", *KEYS)
        for count in (1, ranks)
    )
    assert alone.equals(shared)


def test_validation_windows_are_disjoint_over_ranks(loaded):
    data, config = loaded
    val = list_windows(data, config, ranks=4).filter(pl.col("split") == "val")
    assert val.group_by(KEYS).agg(pl.col("rank").n_unique())["rank"].max() == 1
    assert val["rank"].n_unique() > 1


def test_epochs_differ_and_a_window_names_its_symbol_and_last_bar(loaded):
    data, config = loaded
    first, second = (list_windows(data, config, epoch=epoch).filter(pl.col("split") == "train") for epoch in (1, 2))
    assert first["window"].to_list() != second["window"].to_list()
    row = first.row(0, named=True)
    anchor = data.train.anchor[row["window"]]
    assert row["symbol"] == data.table.symbols[data.table.symbol_id[anchor]]
    assert row["asof"] == data.table.time[anchor].item()
    assert data.label(data.train, row["window"]) == f"{row['symbol']} {row['asof']:%Y-%m-%d}"
