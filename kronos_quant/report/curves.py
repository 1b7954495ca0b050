"""A picture of a training: its losses, and the errors of what it forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kronos_quant.report.canvas import BLUE, GREEN, GREY, ORANGE, VERMILION, look, percent_axis, save_png

FEW_POINTS = 40
"""Up to so many points are marked one by one."""

Rows = Sequence[Mapping[str, Any]]


def loss_curve_png(path: Path, rows: Rows, title: str = "Training") -> None:
    """Train and validation loss by step, one panel a phase, and the error of the decoded forecasts in another.

    rows : of a training log; `phase`, `split` (train or val, an epoch each; step, some steps each), `step`, `loss`,
    and where forecasts were decoded `mae` and `naive_mae`; one without a loss is of what the training started from.
    Steps count on through the epochs.
    """
    phases = list(dict.fromkeys(row["phase"] for row in rows if "loss" in row))
    decoded = [row for row in rows if row.get("mae") is not None]
    count = len(phases) + bool(decoded)
    with look():
        figure = Figure(figsize=(max(6.0, 5.5 * count), 4.2), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
        panels = figure.subplots(1, max(1, count), squeeze=False)[0]
        for axes, phase in zip(panels, phases, strict=False):
            _loss_panel(axes, phase, [row for row in rows if row["phase"] == phase])
        if decoded:
            _decoded_panel(panels[-1], decoded)
        if not count:
            panels[0].set_axis_off()
            panels[0].text(0.5, 0.5, "nothing was trained", ha="center", va="center", transform=panels[0].transAxes)
        save_png(figure, path)


def _loss_panel(axes: Axes, phase: str, rows: Rows) -> None:
    steps, train, val = (
        [(row["step"], row["loss"]) for row in rows if row["split"] == split] for split in ("step", "train", "val")
    )
    if steps:
        axes.plot(*zip(*steps, strict=True), color=GREY, linewidth=0.6, alpha=0.7, label="train, some steps each")
    if train:
        marker = "o" if len(train) <= FEW_POINTS else ""
        axes.plot(*zip(*train, strict=True), color=BLUE, linewidth=1.2, marker=marker, markersize=4, label="train")
    if val:
        marks: dict[str, Any] = {"marker": "o", "markersize": 4, "linestyle": "--"}
        axes.plot(*zip(*val, strict=True), color=ORANGE, linewidth=1.6, label="validation", **marks)
        step, best = min(val, key=lambda point: point[1])
        axes.plot([step], [best], marker="*", markersize=12, color=VERMILION, linestyle="", label=f"lowest: {best:.4g}")
    axes.set_title(phase)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    if train or val:
        axes.legend(loc="best")


def _decoded_panel(axes: Axes, rows: Rows) -> None:
    trained = [(row["step"], row["mae"]) for row in rows if "loss" in row]
    if trained:
        axes.plot(*zip(*trained, strict=True), color=ORANGE, linewidth=1.6, marker="o", markersize=4, label="by epoch")
    for row in rows:
        if "loss" not in row:
            axes.axhline(row["mae"], color=GREY, linewidth=1.2, linestyle="--", label="before any training")
    axes.axhline(rows[0]["naive_mae"], color=GREEN, linewidth=1.2, linestyle=":", label="last close")
    percent_axis(axes)
    axes.set_title("decoded validation forecasts")
    axes.set_xlabel("step")
    axes.set_ylabel("mean absolute error of returns")
    axes.legend(loc="best")
