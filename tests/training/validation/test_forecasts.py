"""Validation windows forecast and decoded: as a signal would be, whatever the ranks, and without touching the rest."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from training.jobs import job_in

from kronos_quant import DataError
from kronos_quant.market import open_market
from kronos_quant.model import PRESETS, Kronos, KronosTokenizer, PathSampler
from kronos_quant.signals import Recipe
from kronos_quant.signals.scorer import sample_closes
from kronos_quant.signals.scores import score_paths
from kronos_quant.training import load_data
from kronos_quant.training.processes.interrupts import Halted
from kronos_quant.training.processes.ranks import Ranks
from kronos_quant.training.validation import DecodedValidation, score_forecast
from kronos_quant.windows import gather

CPU = torch.device("cpu")
ALONE = Ranks(0, 1, CPU)
SAMPLES = 6


@pytest.fixture
def networks():
    torch.manual_seed(0)
    return KronosTokenizer(PRESETS["nano"].tokenizer), Kronos(PRESETS["nano"].predictor)


@pytest.fixture
def data(market_workspace):
    job = job_in(market_workspace, decoded_windows=30, decoded_horizon=3)
    return load_data(open_market(market_workspace.root), job.train, "all")


def validation(data, ranks=ALONE, halted=lambda: False):
    return DecodedValidation(data, SAMPLES, 512, ranks, halted)


def test_the_forecasts_are_those_of_a_recipe_on_the_same_windows(data, networks):
    """The same returns as `kq signal` stores: `last` of a recipe with its defaults."""
    sections = data.decoded
    decoded = validation(data)
    whole = gather(data.table, sections.index, slice(None), data.clip)
    L = sections.index.lookback
    seen = SimpleNamespace(
        values=whole.values[:, :L], stamp=whole.stamp[:, :L], scale=whole.scale, symbol=whole.symbol, asof=whole.asof
    )
    close = data.table.values[sections.index.anchor, 3].astype(np.float64)
    sampler = PathSampler(*networks, 512, data.clip, "cpu")
    sampled = sample_closes(sampler, Recipe(samples=SAMPLES), seen, whole.stamp[:, L:], close)
    stored = score_paths(sampled.close, sampled.base)["last"].to_numpy()
    said = decoded._forecast(PathSampler(*networks, 512, data.clip, "cpu"), np.arange(len(sections)))
    assert said.shape == (len(sections), 3)
    assert said[:, -1] == pytest.approx(stored, abs=1e-15)


def test_what_came_is_the_close_of_each_bar_over_the_last_one_known(data):
    decoded = validation(data)
    row = data.decoded.index.anchor[7]
    closes = data.table.values[row : row + 4, 3].astype(np.float64)
    assert decoded.came[7] == pytest.approx(closes[1:] / closes[0] - 1, abs=1e-15)
    naive = score_forecast(np.zeros_like(decoded.came), decoded.came, data.decoded)
    assert decoded.last_close == naive
    assert naive.figures["mae"] == pytest.approx(np.abs(decoded.came).mean())


def test_the_last_close_stands_beside_the_figures_of_every_validation(data, networks):
    decoded = validation(data)
    figures = decoded.score(*networks).figures
    for name in ("mae", "mse", "r2"):
        assert figures[f"naive_{name}"] == decoded.last_close.figures[name]
        assert figures[name] != figures[f"naive_{name}"]


@pytest.mark.parametrize("world", [2, 3, 4])
def test_ranks_forecast_disjoint_shares_and_come_to_the_same_figures(data, networks, world):
    alone = validation(data).score(*networks)
    parts = []
    for rank in range(world):
        kept = []

        def total(part, kept=kept):
            kept.append(part)
            return part

        other = SimpleNamespace(rank=rank, world=world, device=CPU, total=total)
        validation(data, other).score(*networks)
        parts += kept
    shares = torch.stack([part.abs().sum(1) > 0 for part in parts])
    assert shares.sum(0).tolist() == [1] * len(data.decoded)
    whole = SimpleNamespace(rank=0, world=world, device=CPU, total=lambda part: sum(parts))
    assert validation(data, whole).score(*networks) == alone


def test_it_is_the_same_every_time_and_touches_neither_random_numbers_nor_networks(data, networks):
    predictor = networks[1].train()
    before = {name: value.clone() for name, value in predictor.state_dict().items()}
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    decoded = validation(data)
    first = decoded.score(*networks)
    assert torch.equal(state, torch.random.get_rng_state())
    assert predictor.training
    assert all(torch.equal(before[name], value) for name, value in predictor.state_dict().items())
    torch.manual_seed(6)
    assert decoded.score(*networks) == first


def test_more_windows_than_a_chunk_give_each_window_the_same_forecast(data, networks, monkeypatch):
    alone = validation(data).score(*networks)
    monkeypatch.setattr("kronos_quant.training.validation.forecasts.CHUNK_ON_CPU", 7)
    assert validation(data).score(*networks) == alone


def test_a_wish_to_stop_halts_it_when_no_other_rank_waits(data, networks):
    with pytest.raises(Halted):
        validation(data, halted=lambda: True).score(*networks)
    waiting = SimpleNamespace(rank=0, world=2, device=CPU, total=lambda part: part)
    assert validation(data, waiting, halted=lambda: True).score(*networks).figures["mae"] > 0


def test_a_figure_that_these_windows_cannot_have_is_refused(market_workspace):
    job = job_in(market_workspace, decoded_windows=1)
    data = load_data(open_market(market_workspace.root), job.train, "all")
    with pytest.raises(DataError, match="rank_ic needs dates with 3 symbols, and no validation date has more than 1"):
        validation(data).check("rank_ic")
    with pytest.raises(DataError, match="correlation needs two validation windows, and there is one"):
        validation(data).check("correlation")
    validation(data).check("mae")
    validation(data).check("token_loss")
