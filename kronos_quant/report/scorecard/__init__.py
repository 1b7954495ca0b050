"""The page of `kq evaluate`."""

from kronos_quant.report.scorecard.page import write_scorecard_page

__all__ = ["write_scorecard_page"]
