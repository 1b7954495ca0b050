import re

import numpy as np
import pytest
from evaluation.markets import made_grid, seeing

from kronos_quant.evaluation import Contender, Distribution, make_scorecard
from kronos_quant.report.scorecard import plots

ROWS = np.arange(130, 190)
GRID = made_grid(symbols=20, sessions=200)
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def card_of(noise=2.0, spread=0.03, rows=ROWS):
    shape = (len(rows), 20)
    quantiles = np.broadcast_to(np.array([-2.44, -1.0, 0.0, 1.0, 2.44]) * spread, (*shape, 5)).copy()
    said = Distribution(LEVELS, quantiles, np.random.default_rng(0).random(shape), np.zeros(shape))
    return make_scorecard(Contender("signal", "", seeing(GRID, rows, 5, noise), said), GRID, rows, 5)


@pytest.fixture(scope="module")
def card():
    return card_of()


PICTURES = {
    "ic_over_time": plots.ic_over_time,
    "beside_baselines": plots.beside_baselines,
    "slices": plots.slices,
    "decay": plots.decay,
    "fifths": plots.fifths,
    "coverage": lambda card: plots.coverage({"signal": card.signal.distribution}),
    "pit": lambda card: plots.pit(card.signal.distribution),
    "reliability": lambda card: plots.reliability(card.signal.distribution),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_one_svg_without_references(card, name):
    svg = PICTURES[name](card)
    assert svg.count("<svg") == svg.count("</svg>") == 1
    assert "http" not in svg
    assert "<script" not in svg
    assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', svg))


@pytest.mark.parametrize("name", PICTURES)
def test_equal_figures_make_equal_pictures(card, name):
    assert PICTURES[name](card) == PICTURES[name](card)


@pytest.mark.parametrize("name", PICTURES)
def test_a_few_dates_make_a_picture_too(name):
    assert "<svg" in PICTURES[name](card_of(rows=np.arange(130, 137)))


def drawn(monkeypatch, picture):
    """The axes of a picture, as they were drawn."""
    held = []
    whole = plots._picture

    def keep(draw, size):
        def also(axes):
            draw(axes)
            held.append(axes)

        return whole(also, size)

    monkeypatch.setattr(plots, "_picture", keep)
    picture()
    [axes] = held
    return axes


def test_every_contender_that_ranks_has_its_dot(card, monkeypatch):
    axes = drawn(monkeypatch, lambda: plots.beside_baselines(card))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["signal", "momentum", "reversal", "LightGBM"]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    expected = [one.ranking.rank_ic.mean for one in card.cards if one.ranking is not None]
    assert [dot.get_xdata()[0] for dot in dots] == expected


def test_the_bars_over_time_are_the_rank_ics(card, monkeypatch):
    axes = drawn(monkeypatch, lambda: plots.ic_over_time(card))
    heights = [bar.get_height() for bar in axes.patches][: len(ROWS)]
    np.testing.assert_array_equal(heights, card.signal.ranking.rank_ic_by_date)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert f"mean of all: {card.signal.ranking.rank_ic.mean:+.3f}" in labels


def test_the_main_horizon_stands_out(card, monkeypatch):
    axes = drawn(monkeypatch, lambda: plots.decay(card))
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "3", "5", "10", "20"]
    assert [dot.get_color() == plots.BLUE for dot in dots] == [False, False, False, True, False, False]


def test_the_fifths_are_the_groups_from_the_worst_to_the_best(card, monkeypatch):
    axes = drawn(monkeypatch, lambda: plots.fifths(card))
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == [group.mean for group in card.signal.ranking.portfolios.groups]
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert (names[0], names[-1]) == ("1\nworst", "5\nbest")


def test_the_intervals_are_set_against_what_they_claim(card, monkeypatch):
    said = card.signal.distribution
    axes = drawn(monkeypatch, lambda: plots.coverage({"signal": said}))
    [own] = [line for line in axes.lines if line.get_label() == "signal"]
    assert own.get_xdata().tolist() == [0.5, 0.9]
    assert own.get_ydata().tolist() == [said.coverage[0.5].mean, said.coverage[0.9].mean]


def test_dots_of_the_reliability_lie_where_forecast_and_outcome_say(card, monkeypatch):
    found = card.signal.distribution.reliability
    axes = drawn(monkeypatch, lambda: plots.reliability(card.signal.distribution))
    [dots] = axes.collections
    there = found.count > 0
    np.testing.assert_allclose(dots.get_offsets(), np.column_stack([found.forecast[there], found.rose[there]]))
    sizes = dots.get_sizes()
    assert sizes.argmax() == found.count[there].argmax()
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, 1), (0, 1))


def test_where_outcomes_fell_is_a_density(card, monkeypatch):
    said = card.signal.distribution
    axes = drawn(monkeypatch, lambda: plots.pit(said))
    [stairs] = [patch for patch in axes.patches if hasattr(patch, "get_data")]
    values, edges, _ = stairs.get_data()
    assert (values * np.diff(edges)).sum() == pytest.approx(said.pit.sum())
    [even] = [line for line in axes.lines if line.get_label() == "a true forecast"]
    assert set(even.get_ydata()) == {1}


def test_parts_that_are_too_short_have_open_dots_and_no_line(card, monkeypatch):
    axes = drawn(monkeypatch, lambda: plots.slices(card))
    parts = [part for part in card.slices if part.rank_ic.dates]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    lines = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_marker() != "o"]
    assert [dot.get_markerfacecolor() == "white" for dot in dots] == [not part.rank_ic.known for part in parts]
    assert len(lines) == sum(part.rank_ic.known for part in parts) + 1  # and the line of chance
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"{part.kind}: {part.label}" for part in parts]


def test_a_flat_rank_ic_has_no_band_around_its_mean(monkeypatch):
    few = card_of(rows=np.arange(130, 134))
    axes = drawn(monkeypatch, lambda: plots.ic_over_time(few))
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "95 % interval of the mean" not in labels


def test_intervals_of_every_bar_are_drawn_against_what_they_claim(monkeypatch):
    from dataclasses import replace

    said = card_of().signal.distribution
    held = said.coverage[0.9]
    by_bar = [replace(held, mean=mean) for mean in (0.5, 0.7, 0.9)]
    axes = drawn(monkeypatch, lambda: plots.coverage_by_bar({"signal": replace(said, by_bar=by_bar)}, "session"))
    own, claimed = axes.lines
    assert own.get_xydata().tolist() == [[1, 0.5], [2, 0.7], [3, 0.9]]
    assert set(claimed.get_ydata()) == {0.9}
    assert axes.get_xlabel() == "sessions ahead"
