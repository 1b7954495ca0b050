"""The figures of validation forecasts: by hand, those of the evaluation, and those of a recipe on the same windows."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from training.jobs import job_in

from kronos_quant import DataError
from kronos_quant.evaluation.distribution import point_errors
from kronos_quant.market import open_market
from kronos_quant.model import PRESETS, Kronos, KronosTokenizer, PathSampler
from kronos_quant.signals import Recipe
from kronos_quant.signals.scorer import sample_closes
from kronos_quant.signals.scores import score_paths
from kronos_quant.stats.correlation import rank_ic, rank_ic_by_group
from kronos_quant.stats.intervals import independent_interval
from kronos_quant.training import load_data
from kronos_quant.training.batches.data import CrossSections
from kronos_quant.training.processes import Ranks, ValidationStopped
from kronos_quant.training.validation import ForecastValidation, ValidationScore, margin_of_mean, score_forecast
from kronos_quant.windows import WindowIndex, gather


def sections(date, block=None):
    date = np.asarray(date)
    return CrossSections(WindowIndex(1, 1, date), date, date if block is None else np.asarray(block))


def test_figures_by_hand():
    forecast = np.array([[0.01, 0.02], [0.00, -0.01], [0.03, 0.03], [0.00, 0.01]])
    realised = np.array([[0.02, 0.04], [0.00, 0.01], [-0.01, 0.00], [0.02, 0.03]])
    found = score_forecast(forecast, realised, sections([0, 0, 1, 1])).figures
    # away: .01 .02 | 0 .02 | .04 .03 | .02 .02
    assert found["mae"] == pytest.approx(0.16 / 8)
    assert found["mse"] == pytest.approx((1 + 4 + 0 + 4 + 16 + 9 + 4 + 4) * 1e-4 / 8)
    # what realised has the mean 0.01375
    spread = sum((value - 0.01375) ** 2 for value in realised.ravel()) / 8
    assert found["r2"] == pytest.approx(1 - 5.25e-4 / spread)
    # last bars: 2 -1 3 1 against 4 1 0 3; the third outcome is 0 and has no direction
    assert found["direction"] == pytest.approx(2 / 3)
    assert found["rank_ic"] is None
    assert found["rank_ic_margin"] is None


def test_the_figures_are_those_of_the_evaluation_room():
    rng = np.random.default_rng(3)
    T, N, H = 9, 14, 6
    realised = 0.03 * rng.standard_normal((T * N, H))
    forecast = 0.3 * realised + 0.02 * rng.standard_normal((T * N, H))
    realised[::17, -1] = 0.0
    forecast[::11, -1] = forecast[5, -1]
    found = score_forecast(forecast, realised, sections(np.repeat(np.arange(T), N))).figures
    whole, last = point_errors(forecast, realised), point_errors(forecast[:, -1], realised[:, -1])
    assert found["mae"] == pytest.approx(whole.mae, rel=1e-12)
    assert found["mse"] == pytest.approx(whole.mse, rel=1e-12)
    assert found["r2"] == pytest.approx(whole.r2, rel=1e-12)
    assert found["correlation"] == pytest.approx(last.correlation, rel=1e-12)
    assert found["direction"] == pytest.approx(last.directional_accuracy, rel=1e-12)
    theirs = rank_ic(forecast[:, -1].reshape(T, N), realised[:, -1].reshape(T, N))
    assert rank_ic_by_group(forecast[:, -1], realised[:, -1], np.repeat(np.arange(T), N)) == pytest.approx(
        theirs, rel=1e-12
    )
    assert found["rank_ic"] == pytest.approx(independent_interval(theirs).mean, rel=1e-12)
    # Student's t of 8 degrees of freedom
    assert found["rank_ic_margin"] == pytest.approx(2.306004 * independent_interval(theirs).std_error, rel=1e-6)


def test_a_forecast_of_no_change_has_errors_only_and_its_mse_over_the_variance():
    realised = np.array([[0.1], [-0.1], [0.3], [0.1]])
    found = score_forecast(np.zeros_like(realised), realised, sections([0, 0, 0, 0])).figures
    assert found["mae"] == pytest.approx(0.15)
    assert found["r2"] == pytest.approx(1 - 0.03 / 0.02)
    assert [found[name] for name in ("correlation", "direction", "rank_ic")] == [None, None, None]


def test_dates_of_two_symbols_have_no_rank_ic_and_the_others_count():
    forecast = np.array([1.0, 2.0, 1.0, 2.0, 3.0, 5.0, 5.0, 5.0])
    realised = np.array([1.0, 2.0, 1.0, 3.0, 2.0, 1.0, 2.0, 3.0])
    dates = np.array([0, 0, 1, 1, 1, 2, 2, 2])
    assert rank_ic_by_group(forecast, realised, dates) == pytest.approx([np.nan, 0.5, np.nan], nan_ok=True)


def test_errors_are_means_of_blocks_and_dates_of_a_block_share_one_rank_ic():
    forecast, realised = np.zeros((4, 1)), np.array([[1.0], [3.0], [2.0], [4.0]])
    found = score_forecast(forecast, realised, sections([0, 1, 2, 3], [0, 0, 1, 1]))
    assert found.errors == [5.0, 10.0]
    rng = np.random.default_rng(0)
    forecast, realised = rng.standard_normal((2, 20, 1))
    dates = np.repeat(np.arange(4), 5)
    each = rank_ic_by_group(forecast[:, 0], realised[:, 0], dates)
    found = score_forecast(forecast, realised, sections(dates, dates // 2)).figures
    assert found["rank_ic"] == pytest.approx(each.mean())
    assert found["rank_ic_margin"] == pytest.approx(margin_of_mean(np.array([each[:2].mean(), each[2:].mean()])))


def test_a_forecast_that_is_not_a_number_has_no_figure_and_is_never_better():
    realised = np.array([[0.1], [0.2], [0.3]])
    broken = score_forecast(np.full_like(realised, np.nan), realised, sections([0, 0, 0]))
    assert set(broken.figures.values()) == {None}
    assert broken.errors == []
    whole = score_forecast(realised / 2, realised, sections([0, 0, 0]))
    assert not broken.better_than(whole, "mae")
    assert whole.better_than(broken, "mae")
    diverged = ValidationScore(figures={"loss": float("nan")})
    assert not diverged.better_than(ValidationScore(figures={"loss": 9.0}), "token_loss")
    assert ValidationScore(figures={"loss": 9.0}).better_than(diverged, "token_loss")


def test_a_constant_forecast_has_no_correlation_though_its_mean_is_rounded():
    forecast, realised = np.full((7, 1), 0.1), np.arange(7.0)[:, None]
    found = score_forecast(forecast, realised, sections([0] * 7)).figures
    assert (found["correlation"], found["rank_ic"]) == (None, None)


@pytest.mark.parametrize(
    ("choose_by", "low_is_better"),
    [("token_loss", True), ("reconstruction", True), ("mae", True), ("mse", True), ("r2", False),
     ("correlation", False), ("direction", False), ("rank_ic", False)],
)  # fmt: skip
def test_better_is_lower_for_losses_and_errors_and_higher_for_the_rest(choose_by, low_is_better):
    name = {"token_loss": "loss", "reconstruction": "recon"}.get(choose_by, choose_by)
    low, high = ValidationScore(figures={name: 0.1}), ValidationScore(figures={name: 0.2})
    assert low.better_than(high, choose_by) == low_is_better
    assert high.better_than(low, choose_by) == (not low_is_better)
    assert not low.better_than(low, choose_by)


def test_the_margin_is_that_of_students_t():
    # 1, 2, 3: mean 2, standard error 1/sqrt 3, t 4.302653 with 2 degrees of freedom
    assert margin_of_mean(np.array([1.0, 2.0, 3.0])) == pytest.approx(4.302653 / 3**0.5, rel=1e-6)
    assert margin_of_mean(np.array([1.0])) is None


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


def validation(data, ranks=ALONE, stopped=lambda: False):
    return ForecastValidation(data, SAMPLES, 512, ranks, stopped)


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
    forecast = decoded._forecast(PathSampler(*networks, 512, data.clip, "cpu"), np.arange(len(sections)))
    assert forecast.shape == (len(sections), 3)
    assert forecast[:, -1] == pytest.approx(stored, abs=1e-15)


def test_what_came_is_the_close_of_each_bar_over_the_last_one_known(data):
    decoded = validation(data)
    row = data.decoded.index.anchor[7]
    closes = data.table.values[row : row + 4, 3].astype(np.float64)
    assert decoded.realised[7] == pytest.approx(closes[1:] / closes[0] - 1, abs=1e-15)
    naive = score_forecast(np.zeros_like(decoded.realised), decoded.realised, data.decoded)
    assert decoded.last_close == naive
    assert naive.figures["mae"] == pytest.approx(np.abs(decoded.realised).mean())


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
    monkeypatch.setattr("kronos_quant.training.validation.CHUNK_ON_CPU", 7)
    assert validation(data).score(*networks) == alone


def test_a_wish_to_stop_halts_it_when_no_other_rank_waits(data, networks):
    with pytest.raises(ValidationStopped):
        validation(data, stopped=lambda: True).score(*networks)
    waiting = SimpleNamespace(rank=0, world=2, device=CPU, total=lambda part: part)
    assert validation(data, waiting, stopped=lambda: True).score(*networks).figures["mae"] > 0


def test_a_figure_that_these_windows_cannot_have_is_refused(market_workspace):
    job = job_in(market_workspace, decoded_windows=1)
    data = load_data(open_market(market_workspace.root), job.train, "all")
    with pytest.raises(DataError, match="rank_ic needs dates with 3 symbols, and no validation date has more than 1"):
        validation(data).check("rank_ic")
    with pytest.raises(DataError, match="correlation needs two validation windows, and there is one"):
        validation(data).check("correlation")
    validation(data).check("mae")
    validation(data).check("token_loss")
