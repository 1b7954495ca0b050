"""Loss curves of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kronos_quant.report.canvas import BLUE, GREY, ORANGE, VERMILION, look, save_png

FEW_POINTS = 40
"""Up to so many points are marked one by one."""


def loss_curve_png(path: Path, rows: Sequence[Mapping[str, Any]], title: str = "Training") -> None:
    """Train and validation loss by step, one panel a phase.

    rows : of a training log; `phase`, `split` (train or val, an epoch each; step, some steps each), `step`, `loss`.
    Steps count on through the epochs.
    """
    phases = list(dict.fromkeys(row["phase"] for row in rows))
    with look():
        figure = Figure(figsize=(max(6.0, 5.5 * len(phases)), 4.2), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
        panels = figure.subplots(1, max(1, len(phases)), squeeze=False)[0]
        for axes, phase in zip(panels, phases, strict=False):
            _loss_panel(axes, phase, [row for row in rows if row["phase"] == phase])
        if not phases:
            panels[0].set_axis_off()
            panels[0].text(0.5, 0.5, "nothing was trained", ha="center", va="center", transform=panels[0].transAxes)
        save_png(figure, path)


def _loss_panel(axes: Axes, phase: str, rows: Sequence[Mapping[str, Any]]) -> None:
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
        axes.plot([step], [best], marker="*", markersize=12, color=VERMILION, linestyle="", label=f"best: {best:.4g}")
    axes.set_title(phase)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    if train or val:
        axes.legend(loc="best")
