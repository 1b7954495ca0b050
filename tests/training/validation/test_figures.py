"""The figures of decoded forecasts: by hand, and those of the evaluation room."""

import numpy as np
import pytest

from kronos_quant.evaluation.distribution import point_errors
from kronos_quant.stats.correlation import rank_ic
from kronos_quant.stats.intervals import independent_interval
from kronos_quant.training.batches import CrossSections
from kronos_quant.training.validation import Score, score_forecast
from kronos_quant.training.validation.figures import margin, rank_ics
from kronos_quant.windows import WindowIndex


def sections(date, block=None):
    date = np.asarray(date)
    return CrossSections(WindowIndex(1, 1, date), date, date if block is None else np.asarray(block))


def test_figures_by_hand():
    said = np.array([[0.01, 0.02], [0.00, -0.01], [0.03, 0.03], [0.00, 0.01]])
    came = np.array([[0.02, 0.04], [0.00, 0.01], [-0.01, 0.00], [0.02, 0.03]])
    found = score_forecast(said, came, sections([0, 0, 1, 1])).figures
    # away: .01 .02 | 0 .02 | .04 .03 | .02 .02
    assert found["mae"] == pytest.approx(0.16 / 8)
    assert found["mse"] == pytest.approx((1 + 4 + 0 + 4 + 16 + 9 + 4 + 4) * 1e-4 / 8)
    # what came has the mean 0.01375
    spread = sum((value - 0.01375) ** 2 for value in came.ravel()) / 8
    assert found["r2"] == pytest.approx(1 - 5.25e-4 / spread)
    # last bars: 2 -1 3 1 against 4 1 0 3; the third outcome is 0 and has no direction
    assert found["direction"] == pytest.approx(2 / 3)
    assert found["rank_ic"] is None
    assert found["rank_ic_margin"] is None


def test_the_figures_are_those_of_the_evaluation_room():
    rng = np.random.default_rng(3)
    T, N, H = 9, 14, 6
    came = 0.03 * rng.standard_normal((T * N, H))
    said = 0.3 * came + 0.02 * rng.standard_normal((T * N, H))
    came[::17, -1] = 0.0
    said[::11, -1] = said[5, -1]
    found = score_forecast(said, came, sections(np.repeat(np.arange(T), N))).figures
    whole, last = point_errors(said, came), point_errors(said[:, -1], came[:, -1])
    assert found["mae"] == pytest.approx(whole.mae, rel=1e-12)
    assert found["mse"] == pytest.approx(whole.mse, rel=1e-12)
    assert found["r2"] == pytest.approx(whole.r2, rel=1e-12)
    assert found["correlation"] == pytest.approx(last.correlation, rel=1e-12)
    assert found["direction"] == pytest.approx(last.directional_accuracy, rel=1e-12)
    theirs = rank_ic(said[:, -1].reshape(T, N), came[:, -1].reshape(T, N))
    assert rank_ics(said[:, -1], came[:, -1], np.repeat(np.arange(T), N)) == pytest.approx(theirs, rel=1e-12)
    assert found["rank_ic"] == pytest.approx(independent_interval(theirs).mean, rel=1e-12)
    # Student's t of 8 degrees of freedom
    assert found["rank_ic_margin"] == pytest.approx(2.306004 * independent_interval(theirs).std_error, rel=1e-6)


def test_a_forecast_of_no_change_has_errors_only_and_its_mse_over_the_variance():
    came = np.array([[0.1], [-0.1], [0.3], [0.1]])
    found = score_forecast(np.zeros_like(came), came, sections([0, 0, 0, 0])).figures
    assert found["mae"] == pytest.approx(0.15)
    assert found["r2"] == pytest.approx(1 - 0.03 / 0.02)
    assert [found[name] for name in ("correlation", "direction", "rank_ic")] == [None, None, None]


def test_dates_of_two_symbols_have_no_rank_ic_and_the_others_count():
    said = np.array([1.0, 2.0, 1.0, 2.0, 3.0, 5.0, 5.0, 5.0])
    came = np.array([1.0, 2.0, 1.0, 3.0, 2.0, 1.0, 2.0, 3.0])
    assert rank_ics(said, came, np.array([0, 0, 1, 1, 1, 2, 2, 2])) == pytest.approx([np.nan, 0.5, np.nan], nan_ok=True)


def test_errors_are_means_of_blocks_and_dates_of_a_block_share_one_rank_ic():
    said, came = np.zeros((4, 1)), np.array([[1.0], [3.0], [2.0], [4.0]])
    found = score_forecast(said, came, sections([0, 1, 2, 3], [0, 0, 1, 1]))
    assert found.errors == [5.0, 10.0]
    rng = np.random.default_rng(0)
    said, came = rng.standard_normal((2, 20, 1))
    dates = np.repeat(np.arange(4), 5)
    each = rank_ics(said[:, 0], came[:, 0], dates)
    found = score_forecast(said, came, sections(dates, dates // 2)).figures
    assert found["rank_ic"] == pytest.approx(each.mean())
    assert found["rank_ic_margin"] == pytest.approx(margin(np.array([each[:2].mean(), each[2:].mean()])))


def test_a_forecast_that_is_not_a_number_has_no_figure_and_is_never_better():
    came = np.array([[0.1], [0.2], [0.3]])
    broken = score_forecast(np.full_like(came, np.nan), came, sections([0, 0, 0]))
    assert set(broken.figures.values()) == {None}
    assert broken.errors == []
    whole = score_forecast(came / 2, came, sections([0, 0, 0]))
    assert not broken.better_than(whole, "mae")
    assert whole.better_than(broken, "mae")
    diverged = Score(figures={"loss": float("nan")})
    assert not diverged.better_than(Score(figures={"loss": 9.0}), "token_loss")
    assert Score(figures={"loss": 9.0}).better_than(diverged, "token_loss")


def test_a_constant_forecast_has_no_correlation_though_its_mean_is_rounded():
    said, came = np.full((7, 1), 0.1), np.arange(7.0)[:, None]
    found = score_forecast(said, came, sections([0] * 7)).figures
    assert (found["correlation"], found["rank_ic"]) == (None, None)


@pytest.mark.parametrize(
    ("choose_by", "low_is_better"),
    [("token_loss", True), ("reconstruction", True), ("mae", True), ("mse", True), ("r2", False),
     ("correlation", False), ("direction", False), ("rank_ic", False)],
)  # fmt: skip
def test_better_is_lower_for_losses_and_errors_and_higher_for_the_rest(choose_by, low_is_better):
    name = {"token_loss": "loss", "reconstruction": "recon"}.get(choose_by, choose_by)
    low, high = Score(figures={name: 0.1}), Score(figures={name: 0.2})
    assert low.better_than(high, choose_by) == low_is_better
    assert high.better_than(low, choose_by) == (not low_is_better)
    assert not low.better_than(low, choose_by)


def test_the_margin_is_that_of_students_t():
    # 1, 2, 3: mean 2, standard error 1/sqrt 3, t 4.302653 with 2 degrees of freedom
    assert margin(np.array([1.0, 2.0, 3.0])) == pytest.approx(4.302653 / 3**0.5, rel=1e-6)
    assert margin(np.array([1.0])) is None
