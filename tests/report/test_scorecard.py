from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation.markets import made_grid, made_intraday_grid, seeing
from report.pages import Reader

from kronos_quant.evaluation.contender import Contender, Distribution
from kronos_quant.evaluation.scorecard import make_scorecard
from kronos_quant.evaluation.slices import Boundary
from kronos_quant.evaluation.tables import summary
from kronos_quant.report.glossary import GLOSSARY
from kronos_quant.report.pages.scorecard import write_scorecard_page

ROWS = np.arange(130, 190)
GRID = made_grid(symbols=20, sessions=200)
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
EVIL = "<script>alert('x')</script>&"

pytestmark = pytest.mark.usefixtures("sketched")  # the page `whole` is made before, with its pictures


def believing(spread: float) -> Distribution:
    shape = (len(ROWS), 20)
    quantiles = np.broadcast_to(np.array([-2.44, -1.0, 0.0, 1.0, 2.44]) * spread, (*shape, 5)).copy()
    chances = np.random.default_rng(0).uniform(0.2, 0.8, shape)
    return Distribution(LEVELS, quantiles, chances, np.zeros(shape))


def page(path: Path, noise: float, forecast: Distribution | None = None, **settings) -> Reader:
    card = make_scorecard(Contender("signal", EVIL, seeing(GRID, ROWS, 5, noise), forecast), GRID, ROWS, 5, **settings)
    write_scorecard_page(path / "card.html", card, f"recipe {EVIL}", [f"made by {EVIL}"])
    return Reader((path / "card.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """The page of a signal that sees, with a distribution that is far too sure."""
    return page(tmp_path_factory.mktemp("page"), 2.0, believing(0.005), notes=[f"know {EVIL}"], score=EVIL)


def test_the_page_stands_alone(whole):
    assert not {"script", "link", "iframe", "img", "object"} & set(whole.tags)
    assert all(reference.startswith("#") for reference in whole.references)
    assert whole.tags.count("svg") == 10  # two of the eight are drawn for a phone too


def test_no_name_becomes_a_tag(whole):
    for told in (f"recipe {EVIL}", f"Made by {EVIL}", f"Know {EVIL}", f"Score column: {EVIL}"):
        assert told in whole.text


def test_the_finding_comes_first_in_words(whole):
    assert (
        whole.text.index("Read this first") < whole.text.index("EDGE: rank IC +0.") < whole.text.index("Signal versus")
    )
    assert "The confidence interval is entirely above 0." in whole.text
    assert "Rank IC on the same dates: significantly better than momentum" in whole.text


def test_every_picture_says_how_to_read_it(whole):
    assert whole.text.count("How to read it:") == whole.tags.count("figure") == 8


ALONE = ("correlation over time", "same sign", "CRPS, exact")
"""Words of the pages of one symbol, and of stored paths."""


def test_every_word_is_used_and_explained(whole):
    for word, told in GLOSSARY:
        assert (told in whole.text) == (word not in ALONE)
        if word not in ALONE:
            assert whole.text.count(word) > 1


def test_a_forecast_that_is_too_sure_is_told_so(whole):
    assert "under-coverage: intervals are too narrow" in whole.text
    assert "CRPS improvement over volatility band" in whole.text


def test_without_a_distribution_there_is_no_talk_of_probabilities(tmp_path):
    found = page(tmp_path, 2.0)
    assert "Calibration" not in found.headings
    assert found.tags.count("svg") == 7


def test_a_forecast_without_probabilities_of_a_rise_has_no_picture_of_them(tmp_path):
    said = believing(0.03)
    said.p_rise[:] = np.nan
    found = page(tmp_path, 2.0, said)
    assert "Probability of a rise" not in found.text
    assert "Interval coverage" in found.text


def finding_class(path: Path) -> str:
    return re.search(r'<section class="wide (verdict|good|doubtful)">', (path / "card.html").read_text())[1]


def test_the_finding_is_green_only_for_an_edge_on_dates_that_nobody_has_seen(tmp_path):
    known = Boundary("training data", GRID.sessions[0])
    page(tmp_path, 2.0, boundaries=[known])
    assert finding_class(tmp_path) == "good"
    page(tmp_path, 2.0, boundaries=[known, Boundary("pre-training data", None)])
    assert finding_class(tmp_path) == "doubtful"
    found = page(tmp_path, 2.0, boundaries=[Boundary("training data", GRID.sessions[140])])
    assert finding_class(tmp_path) == "doubtful"
    assert "IN-SAMPLE, NO VERDICT" in found.text
    page(tmp_path, float("inf"), boundaries=[known])
    assert finding_class(tmp_path) == "verdict"


def test_too_few_dates_still_make_a_page(tmp_path):
    rows = np.arange(130, 136)
    scores = seeing(GRID, rows, 5, 1.0)
    card = make_scorecard(Contender("signal", "", scores, None), GRID, rows, 5)
    write_scorecard_page(tmp_path / "card.html", card, "few", [])
    found = Reader((tmp_path / "card.html").read_text())
    assert "NOT ENOUGH DATA" in found.text
    assert "(too few dates)" in found.text


def test_scores_that_rank_nobody_still_make_a_page(tmp_path):
    card = make_scorecard(Contender("signal", "", np.ones((60, 20)), None), GRID, ROWS, 5)
    write_scorecard_page(tmp_path / "card.html", card, "equal", [])
    found = Reader((tmp_path / "card.html").read_text())
    assert "on every date all scores are equal" in found.text
    assert "too many equal scores, to form quintiles" in found.text


def test_the_words_explain_the_columns():
    card = make_scorecard(Contender("signal", "", seeing(GRID, ROWS, 5, 2.0), None), GRID, ROWS, 5)
    assert {column for row in summary(card.cards) for column in row} - {""} <= {word for word, _ in GLOSSARY}


def test_a_forecast_that_is_not_sure_enough_is_told_so(tmp_path):
    assert "over-coverage: intervals are too wide" in page(tmp_path, 2.0, believing(0.5)).text


def test_a_forecast_that_holds_what_it_claims_is_told_so(tmp_path):
    # a session's return has a deviation of 2%, five of them 4.5%; the interval of 90% reaches 2.44 spreads
    found = page(tmp_path, 2.0, believing(0.045 * 1.645 / 2.44))
    assert "no significant difference" in found.text


def test_the_figures_of_the_ranking_hold_both_intervals(whole):
    number = r"\+0\.\d{3}"
    wide = rf"rank IC, Newey-West CI \(\d+ lags\) ?{number} ?{number} to {number}"
    assert re.search(wide, whole.text)
    assert re.search(r"ICIR of the rank IC ?\+\d\.\d\d ?\+\d\.\d\d to \+\d\.\d\d", whole.text)


def test_fifths_that_rise_are_told_from_fifths_that_do_not(tmp_path, whole):
    assert "Each quintile did better than the one below it." in whole.text
    assert "The order of the quintiles agrees with their returns by" in page(tmp_path, float("inf")).text


def test_of_one_symbol_the_page_speaks_of_time_and_not_of_ranks(tmp_path):
    scores = np.full((len(ROWS), 20), np.nan)
    scores[:, 4] = np.random.default_rng(0).standard_normal(len(ROWS))
    card = make_scorecard(Contender("signal", "", scores, believing(0.03)), GRID, ROWS, 5)
    write_scorecard_page(tmp_path / "card.html", card, "alone", [])
    found = Reader((tmp_path / "card.html").read_text(encoding="utf-8"))
    assert found.text.index("NO RANK IC: it needs at least 3 symbols per date") < found.text.index(
        "correlation over time"
    )
    assert "Ranking" not in found.headings
    assert "Calibration" in found.headings
    for word, told in GLOSSARY:
        assert (told in found.text) == (word in ("correlation over time", "same sign", "edge", "95% CI", "CRPS",
                                                 "90% coverage", "scored"))  # fmt: skip


def test_of_bars_within_sessions_the_page_speaks_of_bars_and_moments(tmp_path):
    grid = made_intraday_grid(symbols=10, sessions=70)
    moments = np.arange(240, 540, 4) + 3
    card = make_scorecard(Contender("signal", "", seeing(grid, moments, 6, 2.0), None), grid, moments, 6)
    write_scorecard_page(tmp_path / "card.html", card, "within", [])
    text = Reader((tmp_path / "card.html").read_text(encoding="utf-8")).text
    assert "75 moments. Returns over 6 bars, close to close." in text
    assert "moments needed to detect this rank IC" in text
    assert "session" not in text


def test_stored_paths_are_told_from_quantiles(tmp_path):
    said = believing(0.03)
    rng = np.random.default_rng(1)
    paths = (0.03 * rng.standard_normal((len(ROWS), 20, 12))).astype(np.float32)
    text = page(tmp_path, 2.0, replace(said, paths=paths)).text
    assert "Measured from 5 quantiles, and exactly from 12 paths." in text
    assert "CRPS, exact" in text


def test_the_intervals_on_the_way_to_the_horizon_have_a_picture(tmp_path):
    ends = (np.broadcast_to(side * np.linspace(0.01, 0.05, 5), (len(ROWS), 20, 5)).copy() for side in (-1, 1))
    found = page(tmp_path, 2.0, replace(believing(0.03), by_bar=tuple(ends)))
    assert "Interval coverage by bar" in found.text
    assert found.tags.count("svg") == 11


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory):
    """A card with its page, to hold the page's numbers against the card's."""
    path = tmp_path_factory.mktemp("known")
    card = make_scorecard(
        Contender("signal", EVIL, seeing(GRID, ROWS, 5, 2.0), believing(0.03)), GRID, ROWS, 5,
        boundaries=[Boundary("training data", GRID.sessions[0])],
    )  # fmt: skip
    write_scorecard_page(path / "card.html", card, "known", [])
    return card, Reader((path / "card.html").read_text(encoding="utf-8"))


def figures_of(read: Reader) -> dict[str, list[str]]:
    return read.table("Ranking in figures")


def test_the_ranking_in_figures_is_that_of_the_card(known):
    card, read = known
    ranking, rows = card.signal.ranking, figures_of(known[1])
    assert rows["rank IC"] == [
        f"{ranking.rank_ic.mean:+.3f}", f"{ranking.rank_ic.low:+.3f} to {ranking.rank_ic.high:+.3f}",
    ]  # fmt: skip
    assert rows["IC"][0] == f"{ranking.ic.mean:+.3f}"
    assert rows["ICIR of the rank IC"][0] == f"{ranking.rank_ic.ratio:+.2f}"
    spread = ranking.portfolios.long_short
    assert rows["top minus bottom quintile, return over the horizon"][0] == f"{spread.mean:+.3%}"
    assert rows["share of a quintile replaced after the horizon"][0] == f"{ranking.portfolios.turnover:.1%}"
    cost = rows["break-even cost of the long-short quintile portfolio, bps per trade"][0]
    assert cost == f"{ranking.portfolios.break_even_bps:.1f}"
    needed = rows["dates needed to detect this rank IC (80% power)"][0]
    assert int(needed.replace(",", "")) == ranking.dates_needed
    assert read.text.count("95% CI") > 5


def test_parts_of_the_dates_have_their_own_intervals_or_say_that_they_are_too_short(known):
    card, read = known
    [rows] = [rows for _, rows in read.tables if rows[0][0] == "group"]
    assert [row[0] for row in rows[1:]] == [f"{part.kind}: {part.label}" for part in card.slices]
    for row, part in zip(rows[1:], card.slices, strict=True):
        assert row[3] == f"{part.rank_ic.dates:,}"
        assert (row[2] == "(too few dates)") == (not part.rank_ic.known)


def test_the_forecasts_errors_are_told_beside_those_of_the_baselines(known):
    card, read = known
    [rows] = [rows for _, rows in read.tables if "KS" in rows[0]]
    names = rows[0]
    told = {row[0]: dict(zip(names[1:], row[1:], strict=True)) for row in rows[1:]}
    assert set(told) == {one.name for one in card.cards if one.distribution is not None}
    own = card.signal.distribution
    assert told["signal"]["CRPS"] == f"{own.crps.mean:.6f}"
    assert told["signal"]["90% coverage"] == f"{own.coverage[0.9].mean:.1%}"
    assert told["signal"]["MAE"] == f"{own.errors.mae:.5f}"
    assert told["signal"]["hit rate"] == "-"  # its median is 0 throughout


def test_the_decay_names_the_best_horizon(known):
    card, read = known
    means = {horizon: found.mean for horizon, found in card.signal.ranking.decay.items() if found.known}
    best = max(means, key=means.get)
    assert f"Here it is highest at {card.clock.bars(best)}." in read.text


def test_a_decay_that_is_nowhere_above_0_is_not_called_highest(tmp_path):
    card = make_scorecard(Contender("signal", "", -seeing(GRID, ROWS, 5, 1.0), None), GRID, ROWS, 5)
    assert max(found.mean for found in card.signal.ranking.decay.values()) < 0
    write_scorecard_page(tmp_path / "card.html", card, "backwards", [])
    text = Reader((tmp_path / "card.html").read_text(encoding="utf-8")).text
    assert "Here it is above 0 at none of them." in text
    assert "Here it is highest" not in text


def test_no_number_that_is_not_one_is_printed(known, whole):
    for read in (known[1], whole):
        cells = [cell for _, rows in read.tables for row in rows for cell in row]
        assert not {"nan", "inf", "None", "+nan", "-inf"} & {word for cell in cells for word in cell.split()}


def test_names_of_contenders_and_notes_are_escaped_in_every_table(whole):
    assert EVIL in " ".join(whole.listed)
    assert whole.handlers == []
