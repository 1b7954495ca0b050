"""Report: what a run shows to people: text, pictures, and one page that needs no network.

The names load on first use, so that a picture does not wait for quantstats.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kronos_quant.report.curves import loss_curve_png
    from kronos_quant.report.fan import Fan
    from kronos_quant.report.forecast_page import write_forecast_page
    from kronos_quant.report.headline import headline_of
    from kronos_quant.report.periods import by_period
    from kronos_quant.report.plots import forecast_png, performance_png
    from kronos_quant.report.section import Section
    from kronos_quant.report.sections import sections_of
    from kronos_quant.report.tearsheet import write_tearsheet
    from kronos_quant.report.terms import terms_of
    from kronos_quant.report.text import report_text

_HOMES = {
    "Fan": "fan",
    "Section": "section",
    "by_period": "periods",
    "forecast_png": "plots",
    "headline_of": "headline",
    "loss_curve_png": "curves",
    "performance_png": "plots",
    "report_text": "text",
    "sections_of": "sections",
    "terms_of": "terms",
    "write_forecast_page": "forecast_page",
    "write_tearsheet": "tearsheet",
}

__all__ = [
    "Fan",
    "Section",
    "by_period",
    "forecast_png",
    "headline_of",
    "loss_curve_png",
    "performance_png",
    "report_text",
    "sections_of",
    "terms_of",
    "write_forecast_page",
    "write_tearsheet",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
