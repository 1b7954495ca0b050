import pytest

from kronos_quant.report import canvas, loss_curve_png

POINTS = [("val", 0, 3.0), ("train", 1, 2.5), ("val", 1, 2.0), ("val", 2, 2.2)]


@pytest.fixture
def figures(monkeypatch):
    """The figures drawn in a test, kept to be looked at."""
    drawn = []
    save = canvas.save_png

    def keep(figure, path) -> None:
        drawn.append(figure)
        save(figure, path)

    monkeypatch.setattr("kronos_quant.report.curves.save_png", keep)
    return drawn


def rows(points, phases=("tokenizer", "predictor")):
    return [
        {"phase": phase, "split": split, "epoch": step, "step": step, "loss": loss}
        for phase in phases
        for split, step, loss in points
    ]


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_loss_curve_has_a_panel_a_phase_and_marks_the_best(tmp_path, figures):
    loss_curve_png(tmp_path / "l.png", rows(POINTS))
    assert [axes.get_title(loc="left") for axes in figures[0].axes] == ["tokenizer", "predictor"]
    assert labels(figures[0].axes[0]) == ["train", "validation", "lowest: 2"]
    assert figures[0].axes[0].get_xlabel() == "step"
    assert (tmp_path / "l.png").read_bytes().startswith(b"\x89PNG")


def test_rows_of_steps_are_a_thin_line_of_their_own(tmp_path, figures):
    loss_curve_png(tmp_path / "l.png", rows([*POINTS, ("step", 1, 2.9), ("step", 2, 2.4)], ["predictor"]))
    [axes] = figures[0].axes
    assert labels(axes) == ["train, some steps each", "train", "validation", "lowest: 2"]
    assert axes.lines[0].get_xydata().tolist() == [[1, 2.9], [2, 2.4]]


def test_loss_curve_of_nothing_says_so(tmp_path, figures):
    loss_curve_png(tmp_path / "l.png", [])
    assert figures[0].axes[0].texts[0].get_text() == "nothing was trained"


def test_decoded_forecasts_have_a_panel_with_what_they_must_beat(tmp_path, figures):
    control = {"phase": "control", "split": "val", "epoch": 0, "step": 0, "mae": 0.03, "naive_mae": 0.02}
    trained = [
        row | ({"mae": 0.025 - row["step"] / 1000, "naive_mae": 0.02} if row["split"] == "val" else {})
        for row in rows(POINTS, ["predictor"])
    ]
    loss_curve_png(tmp_path / "l.png", [control, *trained])
    assert [axes.get_title(loc="left") for axes in figures[0].axes] == ["predictor", "decoded validation forecasts"]
    axes = figures[0].axes[1]
    assert labels(axes) == ["by epoch", "before any training", "last close"]
    assert axes.lines[0].get_xydata().tolist() == [[0, 0.025], [1, 0.024], [2, 0.023]]
    assert [line.get_ydata()[0] for line in axes.lines[1:]] == [0.03, 0.02]


def test_the_lowest_validation_loss_is_marked_where_it_is(tmp_path, figures):
    loss_curve_png(tmp_path / "l.png", rows([("val", 0, 3.0), ("val", 1, 2.0), ("val", 2, 2.5)], ["predictor"]))
    [axes] = figures[0].axes
    best = axes.lines[-1]
    assert best.get_xydata().tolist() == [[1, 2.0]]
    assert best.get_marker() == "*"
    assert axes.get_ylabel() == "loss"


def test_many_points_are_a_line_without_marks(tmp_path, figures):
    loss_curve_png(tmp_path / "l.png", rows([("train", i, 1.0 / (i + 1)) for i in range(41)], ["predictor"]))
    loss_curve_png(tmp_path / "l.png", rows([("train", i, 1.0 / (i + 1)) for i in range(40)], ["predictor"]))
    assert [figure.axes[0].lines[0].get_marker() for figure in figures] == ["", "o"]


def test_a_phase_without_any_epoch_yet_has_its_panel(tmp_path, figures):
    loss_curve_png(tmp_path / "l.png", rows([("step", 1, 2.0), ("step", 2, 1.5)], ["tokenizer"]), title="first steps")
    [axes] = figures[0].axes
    assert axes.get_title(loc="left") == "tokenizer"
    assert axes.get_legend() is None
    assert figures[0].get_suptitle() == "first steps"


def test_forecast_errors_are_shown_in_percent(tmp_path, figures):
    control = {"phase": "control", "split": "val", "epoch": 0, "step": 0, "mae": 0.03, "naive_mae": 0.02}
    loss_curve_png(tmp_path / "l.png", [control])
    [axes] = figures[0].axes
    assert axes.yaxis.get_major_formatter()(0.03).endswith("%")
    assert axes.get_ylabel() == "mean absolute error of returns"
