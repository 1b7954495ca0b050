"""What a validation says in words."""

import pytest

from kronos_quant.training.validation import Score, decoded_lines, in_short, verdict
from kronos_quant.training.validation.verdict import compare

NO_RANKS = {"rank_ic": None, "rank_ic_margin": None}


def score(errors, **figures):
    return Score(figures=NO_RANKS | figures, errors=errors)


def test_a_difference_is_a_share_of_the_other_error_with_its_margin():
    found = compare(score([0.9, 1.8, 2.7]), score([1.0, 2.0, 3.0]))
    assert found.change == pytest.approx(-0.1)
    # differences -.1 -.2 -.3: standard error .1/sqrt 3, t 4.302653, over a mean of 2
    assert found.margin == pytest.approx(4.302653 * 0.1 / 3**0.5 / 2, rel=1e-6)
    assert str(found) == "squared error -10.00% ± 12.42%"
    assert found.word == "is not told from"


@pytest.mark.parametrize(
    ("ours", "word"), [([0.8, 1.8, 2.8], "forecasts better than"), ([1.2, 2.2, 3.2], "forecasts worse than")]
)
def test_a_difference_that_every_date_shows_is_told(ours, word):
    assert compare(score(ours), score([1.0, 2.0, 3.0])).word == word


@pytest.mark.parametrize(("ours", "theirs"), [([1.0], [2.0]), ([], [1.0, 2.0]), ([0.0, 0.0], [0.0, 0.0])])
def test_too_few_dates_or_no_error_at_all_is_no_comparison(ours, theirs):
    assert compare(score(ours), score(theirs)) is None


def test_the_verdict_names_the_control_and_the_last_close():
    trained = score([0.8, 1.8, 2.8], rank_ic=0.05, rank_ic_margin=0.02)
    told = verdict(trained, score([1.0, 2.0, 3.0], rank_ic=0.01), score([0.8, 1.9, 2.7]), "zero-shot model")
    assert told[0].startswith("the trained model forecasts better than the zero-shot model: squared error -10.00%")
    assert told[1].startswith("the trained model is not told from the last close: ")
    assert told[2] == "rank IC +0.0500 ± 0.0200 (the zero-shot model: +0.0100): above chance"


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"rank_ic": -0.05, "rank_ic_margin": 0.02}, "rank IC -0.0500 ± 0.0200: below chance"),
        ({"rank_ic": 0.05, "rank_ic_margin": 0.06}, "rank IC +0.0500 ± 0.0600: not told from chance"),
        ({"rank_ic": 0.05}, "rank IC +0.0500: too few dates to tell it from chance"),
        ({}, "no rank IC: it needs dates with 3 symbols whose forecasts differ "
             "(correlation and direction are over all windows together)"),
    ],
)  # fmt: skip
def test_the_ranking_is_judged_by_its_interval(figures, told):
    assert verdict(score([1.0, 2.0], **figures), score([1.0, 3.0]), score([1.0, 2.5]), "untrained network")[-1] == told


def test_training_that_came_to_nothing_is_said():
    same = score([1.0, 2.0])
    told = verdict(same, same, score([1.0]), "zero-shot model")
    assert told[0] == "the trained model is the zero-shot model: no epoch was better"
    assert told[1] == "the trained model cannot be compared with the last close: too few dates, or no forecast"


def test_the_figures_stand_side_by_side():
    figures = {"mae": 0.02, "mse": 4e-4, "r2": -0.01, "correlation": 0.1, "direction": 0.5, "rank_ic": None}
    decoded = {
        "windows": 48, "times": 4, "horizon": 10, "samples": 20, "chosen_by": "mae", "verdict": ["so it is"],
        "trained": figures, "start": figures | {"name": "zero-shot model"},
        "last_close": figures | {"correlation": None, "direction": None},
    }  # fmt: skip
    lines = decoded_lines(decoded)
    assert lines[0] == (
        "decoded: 48 validation windows at 4 times, 10 bars ahead, mean of 20 paths; the epoch was chosen by mae"
    )
    assert lines[1].split() == ["MAE", "MSE", "R2", "correlation", "direction", "rank", "IC"]
    assert lines[2].split() == ["trained", "model", "2.000%", "4.000e-04", "-0.0100", "+0.1000", "50.0%", "-"]
    assert lines[4].split()[-3:] == ["-", "-", "-"]
    assert len({len(line) for line in lines[1:5]}) == 1
    assert lines[-1] == "so it is"


def test_a_line_of_the_log_has_the_rank_ic_or_the_correlation_and_nothing_for_the_tokenizer():
    figures = {"mae": 0.02, "naive_mae": 0.019, "rank_ic": 0.03, "correlation": -0.01}
    assert in_short(figures) == "; decoded: MAE 2.000% (last close 1.900%), rank IC +0.0300"
    assert in_short(figures | {"rank_ic": None}).endswith("correlation -0.0100")
    assert in_short({"loss": 1.0, "recon": 2.0}) == ""
