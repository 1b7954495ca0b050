"""What all charts have in common: exact labels, the same bytes for the same figures, and no trace in the process."""

from __future__ import annotations

import re
import struct
import warnings
from datetime import date, datetime, timedelta

import matplotlib as mpl
import numpy as np
import pytest
from charts.cases import CHARTS, CURVES, WIDTHS

from kronos_quant.charts import WIDE, Chart, figure_png, figure_svg, performance_figure, time_labels, write_png
from kronos_quant.charts.canvas import StepFormatter, look, percent_axis, session_axis, step_digits

NUMBER = re.compile(r"-?[\d,]+(\.\d+)?%?")


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture(scope="session")
def figures() -> dict[str, Chart]:
    """Every chart, wide and narrow."""
    return {f"{name} {width:g}": draw(width) for name, draw in CHARTS.items() for width in WIDTHS}


@pytest.fixture(scope="session")
def pictures(figures) -> dict[str, str]:
    return {name: figure_svg(figure, f"picture of {name}") for name, figure in figures.items()}


def small(name: str = "a") -> Chart:
    figure = Chart(figsize=(3, 2))
    figure.subplots().plot(range(5), np.arange(5.0), label=name)
    return figure


def test_the_labels_of_every_axis_are_the_values_where_they_stand(figures, pictures):
    checked = 0
    for name, figure in figures.items():
        for axes in figure.axes:
            for axis in (axes.xaxis, axes.yaxis):
                if not isinstance(axis.get_major_formatter(), StepFormatter):
                    continue
                places, labels = axis.get_majorticklocs(), [tick.get_text() for tick in axis.get_ticklabels()]
                step = np.diff(places).min() if len(places) > 1 else abs(places[0])
                assert len(set(labels)) == len(labels), (name, labels)
                for place, label in zip(places, labels, strict=True):
                    assert NUMBER.fullmatch(label), (name, label)
                    value = float(label.replace(",", "").rstrip("%")) / (100 if label.endswith("%") else 1)
                    assert value == pytest.approx(place, abs=1e-5 * step), (name, labels)
                    checked += 1
    assert checked > 300


def test_every_axis_of_numbers_has_exact_labels(figures):
    by_matplotlib = {
        (name, type(axis.get_major_formatter()).__name__)
        for name, figure in figures.items()
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        if axes.get_xlabel() != "" or axes.get_ylabel() != ""
    }
    assert {form for _, form in by_matplotlib} <= {
        "StepFormatter", "FuncFormatter", "FixedFormatter", "ScalarFormatter",
    }  # fmt: skip
    # counts and names only
    assert {name.split()[0] for name, form in by_matplotlib if form == "ScalarFormatter"} <= {
        "distribution", "coverage_by_bar", "performance", "rolling", "comparison",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ticks", "digits"),
    [
        ([9.6, 9.75, 9.9, 10.05, 10.2], 2),  # were 9.6, 9.8, 9.9, 10.1, 10.2 at equal distances
        ([0, 2.5, 5], 1),
        ([0, 1, 2], 0),
        ([1e-5, 2e-5, 3e-5], 5),
        ([0.1, 0.125, 0.15], 3),
        ([4_000_000, 4_500_000], 0),
        ([5.0], 0),
        ([], 0),
    ],
)
def test_labels_have_as_many_digits_as_their_step_needs(ticks, digits):
    assert step_digits(np.array(ticks, dtype=float)) == digits


def test_every_picture_is_one_element_that_refers_to_nothing(pictures):
    for name, svg in pictures.items():
        assert svg.count("<svg") == svg.count("</svg>") == 1
        assert svg.startswith(f'<svg role="img" aria-label="picture of {name}" ')
        assert "http" not in svg
        assert "<script" not in svg
        assert all(target.startswith(("#", "data:image/")) for target in re.findall(r'href="([^"]*)"', svg))


def test_pictures_take_their_colours_from_the_page(pictures):
    fixed = {colour for name, svg in pictures.items() if "heatmap" not in name
             for colour in re.findall(r"#[0-9a-f]{6}\b", svg)}  # fmt: skip
    assert fixed == set()
    assert "var(--blue)" in pictures["performance 10"]
    assert {"#fefefe", "#010101"} & set(re.findall(r"#[0-9a-f]{6}\b", pictures["heatmap 10"]))


def test_the_same_figures_give_the_same_bytes_whatever_other_libraries_set():
    first = figure_svg(performance_figure(CURVES), "x"), figure_png(performance_figure(CURVES))
    before = dict(mpl.rcParams)
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        again = figure_svg(performance_figure(CURVES), "x"), figure_png(performance_figure(CURVES))
    assert again == first
    assert dict(mpl.rcParams) == before


def test_a_picture_is_written_whole_or_not_at_all(tmp_path):
    class Broken(Chart):
        def savefig(self, target, **settings):
            target.write(b"half a picture")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        write_png(tmp_path / "p.png", Broken())
    assert list(tmp_path.iterdir()) == []
    write_png(tmp_path / "p.png", small())
    header = (tmp_path / "p.png").read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", header[16:24]) == (390, 260)


def test_a_chart_shows_itself_in_a_notebook():
    assert small()._repr_png_().startswith(b"\x89PNG")


def test_names_with_dollars_and_unknown_signs_are_drawn_as_they_are():
    figure = performance_figure(CURVES, r"$\broken{ 沪深")
    assert figure.get_suptitle() == r"$\broken{ 沪深"
    figure_png(figure)


def test_our_look_holds_within_and_only_within():
    before = mpl.rcParams["font.size"]
    with mpl.rc_context({"font.size": 40}):
        with look():
            assert mpl.rcParams["font.size"] == 9.5
            assert not mpl.rcParams["text.parse_math"]  # a $ in a name is a dollar
        assert mpl.rcParams["font.size"] == 40
    assert mpl.rcParams["font.size"] == before


def test_fractions_are_shown_as_percent():
    axes = small().axes[0]
    axes.set_ylim(-0.2, 0.4)
    percent_axis(axes.yaxis)
    assert axes.yaxis.get_major_formatter()(0.25) == "25%"


def test_sessions_lie_next_to_each_other_and_the_first_and_the_last_are_labelled():
    axes = small().axes[0]
    friday = date(2024, 6, 21)
    session_axis(axes, [friday, friday + timedelta(days=3), friday + timedelta(days=4)], WIDE)
    assert list(axes.get_xticks()) == [0, 1, 2]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2024-06-21", "2024-06-24", "2024-06-25"]
    session_axis(axes, [friday + timedelta(days=i) for i in range(1000)], WIDE)
    assert list(axes.get_xticks()) == [0, 166, 333, 500, 666, 832, 999]


def test_hours_are_shown_only_where_bars_are_shorter_than_a_day():
    noon = datetime(2024, 6, 21, 11, 30)
    assert time_labels([noon]) == ["06-21 11:30"]
    assert time_labels([datetime(2024, 6, 21)]) == ["2024-06-21"]
    assert time_labels([datetime(2024, 6, 21), noon])[0] == "06-21 00:00"
    assert time_labels([]) == []
