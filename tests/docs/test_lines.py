"""Every `kq` line that is shown parses."""

import re
from pathlib import Path

import pytest
from commands import commands, parse
from doccheck.lines import lines_of_page, lines_of_source
from doccheck.pages import Page, pages
from doccheck.strings import PUT_IN
from made import ROOT

MOST_NOT_RUN = 10
ENDINGS = (".py", ".yaml", ".sql", ".html")
FOLDERS = ("kronos_quant", "cli", "signals", "strategies", "db")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in ENDINGS)
SOURCES.append(ROOT / "kq.yaml")


def names(line: str) -> bool:
    """Whether a line only names a command, or a command and its options: `kq sweep --ray`."""
    name, *options = re.split(r" (?=--)", line)
    known = {option for one in commands()[name].params for option in one.opts} if name in commands() else set()
    return name in commands() and set(options) <= known


def dated(line: str) -> str:
    """A line of an f-string with a date where one is put in, and with a number for N."""
    line = re.sub(rf"(--(?:date|start|end|since|older-than)) {PUT_IN}\b", r"\1 2024-01-02", line)
    return re.sub(r"(--\S+) N\b", r"\1 4", line)


def refused(place: str, lines) -> list[str]:
    """The lines that do not parse, with the reason."""
    wrong = []
    for number, line in lines:
        if names(line):
            continue
        try:
            parse(dated(line))
        except Exception as error:
            wrong.append(f"{place}:{number}: {line}: {getattr(error, 'message', error)}")
    return wrong


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_command_lines_of_a_page_parse(page):
    assert refused(page.name, lines_of_page(page)) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_command_lines_of_a_source_file_parse(path):
    assert refused(str(path.relative_to(ROOT)), lines_of_source(path)) == []


def test_a_line_that_does_not_parse_is_found(tmp_path):
    text = "`kq demo` and `kq demmo`\n```sh\nkq train --gpu 4 && kq check\n```\n`kq backtest …` `kq sweep --ray`\n"
    page = Page(Path("page.md"), text)
    assert [line for _, line in lines_of_page(page)] == [
        "kq train --gpu 4",
        "kq check",
        "kq demo",
        "kq demmo",
        "kq sweep --ray",
    ]
    assert [one.split(": ")[1] for one in refused("page.md", lines_of_page(page))] == ["kq train --gpu 4", "kq demmo"]
    (tmp_path / "code.py").write_text('"""Docstring: `kq demmo`."""\nx = f"`kq none {1}`"  # `kq nothing`\n')
    assert len(refused("code.py", lines_of_source(tmp_path / "code.py"))) == 3


def test_few_blocks_are_not_run():
    blocks = [page.place(fence) for page in pages() for fence in page.fences if "no-run" in fence.flags]
    english = [place for place in blocks if not place.startswith("docs/zh")]
    assert len(english) <= MOST_NOT_RUN, english


def test_every_command_is_in_a_page_written_by_hand():
    hand_written = [page for page in pages() if "reference" not in page.path.relative_to(ROOT).parts]
    shown = {
        " ".join(line.split()[:words]) for page in hand_written for _, line in lines_of_page(page) for words in (2, 3)
    }
    assert set(commands()) - {"kq"} - shown == set()
