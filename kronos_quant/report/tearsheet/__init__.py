"""tearsheet.html: one page of a back-test that needs no network."""

from kronos_quant.report.tearsheet.writing import Contents, write_page, write_tearsheet

__all__ = ["Contents", "write_page", "write_tearsheet"]
