"""Bars for other programs: Parquet, CSV, or a Qlib directory."""

from kronos_quant.market.export.bars import ExportReport, export_bars

__all__ = ["ExportReport", "export_bars"]
