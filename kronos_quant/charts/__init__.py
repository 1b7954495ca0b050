"""Charts as matplotlib figures: arrays in, figures out; a chart knows no result."""

from kronos_quant.charts.canvas import NARROW, WIDE, Chart, figure_png, figure_svg, time_labels, write_png
from kronos_quant.charts.forecast import Fan, bars_figure, forecast_figure
from kronos_quant.charts.interactive import ChartPanel, Curve, InteractiveChart, drawdown_chart, growth_chart
from kronos_quant.charts.performance import (
    AccountCurves,
    comparison_figure,
    distribution_figure,
    drawdown_figure,
    growth_figure,
    performance_figure,
    rolling_figure,
)
from kronos_quant.charts.scorecard import (
    coverage_by_bar_figure,
    coverage_figure,
    decay_figure,
    interval_figure,
    pit_figure,
    quintile_figure,
    rank_ic_figure,
    reliability_figure,
    scores_figure,
)
from kronos_quant.charts.training import HOW_TO_READ, MAPPED, heatmap_figure, loss_figure

__all__ = [
    "HOW_TO_READ",
    "MAPPED",
    "NARROW",
    "WIDE",
    "AccountCurves",
    "Chart",
    "ChartPanel",
    "Curve",
    "Fan",
    "InteractiveChart",
    "bars_figure",
    "comparison_figure",
    "coverage_by_bar_figure",
    "coverage_figure",
    "decay_figure",
    "distribution_figure",
    "drawdown_chart",
    "drawdown_figure",
    "figure_png",
    "figure_svg",
    "forecast_figure",
    "growth_chart",
    "growth_figure",
    "heatmap_figure",
    "interval_figure",
    "loss_figure",
    "performance_figure",
    "pit_figure",
    "quintile_figure",
    "rank_ic_figure",
    "reliability_figure",
    "rolling_figure",
    "scores_figure",
    "time_labels",
    "write_png",
]
