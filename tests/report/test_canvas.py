from __future__ import annotations

from datetime import date, datetime, timedelta

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from kronos_quant.report.canvas import (
    look,
    percent_axis,
    save_png,
    session_axis,
    svg_of,
    time_labels,
    without_references,
)


def drawn(name: str = "a") -> Figure:
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot(range(5), np.arange(5.0), label=name)
    return figure


def test_svg_pictures_lose_what_names_the_web():
    svg = (
        '<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "x"\n "http://www.w3.org/svg11.dtd">\n'
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://a" width="1">'
        "<metadata><rdf:RDF>http://purl.org</rdf:RDF></metadata><g/></svg>"
    )
    assert without_references(svg) == '<svg width="1"><g/></svg>'


def test_a_figure_as_svg_is_one_element_and_always_the_same():
    with look():
        svg, again = svg_of(drawn()), svg_of(drawn())
    assert svg == again
    assert svg.startswith("<svg ")
    assert svg.rstrip().endswith("</svg>")
    assert "http" not in svg


def test_a_picture_is_written_whole_or_not_at_all(tmp_path):
    class Broken(Figure):
        def savefig(self, target, **settings):
            target.write_bytes(b"half a picture")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        save_png(Broken(), tmp_path / "p.png")
    assert list(tmp_path.iterdir()) == []
    save_png(drawn(), tmp_path / "p.png")
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]


def test_our_look_holds_within_and_only_within():
    before = mpl.rcParams["font.size"]
    with mpl.rc_context({"font.size": 40}):
        with look():
            assert mpl.rcParams["font.size"] == 9.5
            assert not mpl.rcParams["text.parse_math"]  # a $ in a name is a dollar
        assert mpl.rcParams["font.size"] == 40
    assert mpl.rcParams["font.size"] == before


def test_fractions_are_shown_as_percent():
    axes = drawn().axes[0]
    axes.set_ylim(-0.2, 0.4)
    percent_axis(axes)
    assert axes.yaxis.get_major_formatter()(0.25) == "25%"


def test_sessions_lie_one_beside_the_other():
    axes = drawn().axes[0]
    friday = date(2024, 6, 21)
    session_axis(axes, [friday, friday + timedelta(days=3), friday + timedelta(days=4)])
    label = axes.xaxis.get_major_formatter()
    assert [label(place) for place in (0, 1, 2)] == ["2024-06-21", "2024-06-24", "2024-06-25"]
    assert [label(place) for place in (-1, 0.4, 3)] == ["", "", ""]
    assert all(float(tick).is_integer() for tick in axes.xaxis.get_major_locator().tick_values(0, 2))


def test_hours_are_shown_only_where_bars_are_shorter_than_a_day():
    noon = datetime(2024, 6, 21, 11, 30)
    assert time_labels([noon]) == ["06-21 11:30"]
    assert time_labels([datetime(2024, 6, 21)]) == ["2024-06-21"]
    assert time_labels([datetime(2024, 6, 21), noon])[0] == "06-21 00:00"
    assert time_labels([]) == []
