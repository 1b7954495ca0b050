import io
import sys

from kronos_quant.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_is_drawn_when_stderr_is_no_terminal(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress("signals", 3) as advance:
        advance(3)
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar_with_its_name_and_count(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with progress("signals", 3) as advance:
        advance(2)
    assert "signals" in stream.getvalue()
    assert "/3" in stream.getvalue()
