from __future__ import annotations

import pytest

from kronos_quant import report
from kronos_quant.report import Section, report_text

TERMS = [("period", "2024-01-02 to 2024-01-03, 2 sessions traded"), ("costs", "a"), ("costs", "b " * 60)]
VERDICT = Section("Is it luck?", ("FAIL: the return is not significantly different from 0.",))
COSTS = Section("Costs", (), ("cost", "paid"), (("commission", "354.65"),))


def test_the_verdict_stands_before_the_terms_and_the_other_sections_after_them():
    text = report_text("topk", TERMS, [VERDICT, COSTS])
    places = [text.index(part) for part in ("Back-test: topk", "research only", "Is it luck?", "What was run", "Costs")]
    assert places == sorted(places)
    assert "\nIs it luck?\n  FAIL: the return is not significantly different from 0.\n\n" in text
    assert text.endswith("Costs\n  cost          paid\n  commission  354.65\n")


def test_a_label_is_told_once_and_long_lines_are_wrapped_under_it():
    lines = report_text("topk", TERMS, [VERDICT]).splitlines()
    at = lines.index("  costs          a")
    assert lines[at + 1] == " " * 17 + "b " * 41 + "b"
    assert lines[at + 2].startswith(" " * 17 + "b")
    assert max(map(len, lines)) <= 100


def test_notes_come_first_and_in_their_order():
    text = report_text("topk", TERMS, [VERDICT], ["NO TRADE WAS MADE: none.", "word " * 40])
    notes = text.index("To know first\n  - NO TRADE WAS MADE: none.\n  - word")
    assert notes < text.index("Is it luck?")
    assert max(map(len, text.splitlines())) <= 100
    assert "To know first" not in report_text("topk", TERMS, [VERDICT])


def test_public_names_are_those_of_all():
    assert all(hasattr(report, name) for name in report.__all__)
    with pytest.raises(AttributeError, match="no attribute 'fly'"):
        report.fly  # noqa: B018
