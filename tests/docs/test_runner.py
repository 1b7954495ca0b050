"""A page runs from top to bottom, and fails where it is wrong."""

from pathlib import Path
from textwrap import dedent

import pytest
from doccheck.fences import PageError, fences, without_fences
from doccheck.inputs import named_inputs
from doccheck.outputs import first_difference
from doccheck.pages import Page
from doccheck.runner import run_page


@pytest.fixture
def run(tmp_path):
    """A function that runs the text of a page in an empty folder."""
    (tmp_path / "work").mkdir()
    return lambda text: run_page(Page(tmp_path / "page.md", dedent(text)), tmp_path / "work")


def page_of(*blocks: str) -> str:
    return "\n".join(f"```{block}\n```\n" for block in blocks)


def test_commands_python_files_and_outputs_of_a_page_run_in_one_folder(run):
    text = page_of(
        "sh\nkq init mine && cd mine  # a folder",
        "text {.output}\n...",
        'yaml title="strategies/small.yaml"\ntopk: 40',
        "python\nfrom pathlib import Path\nname = Path('strategies/small.yaml').read_text()",
        "python\nprint(name, 3 / 7)",
        "text {.output abs=0.001}\ntopk: 40\n 0.4282",
    )
    run(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (page_of("sh\nkq universe all"), "page.md:1: AssertionError: kq universe all: exit code 2, not 0"),
        (page_of("sh {exit=3}\nkq init a"), "exit code 0, not 3"),
        (page_of("sh\nls"), "only `kq` and `cd` lines can run"),
        (page_of("sh\ncd .."), "no such folder"),
        (page_of("python\n1 / 0"), "page.md:1: ZeroDivisionError"),
        (page_of("python\nprint(1)", "text {.output}\n2"), r"md:5: the output is .*\nshown:   '2'\nprinted: '1'"),
        (page_of("text {.output}\n2"), "an output needs a block that runs"),
        (page_of('yaml title="strategies/a.yaml"\ntopkk: 4'), "the YAML is not valid"),
        (page_of('csv title="../a.csv"\n1'), "outside the folder of the page"),
        (page_of("sh no-run\nkq demo"), "expected a language"),
        (page_of("sh {.norun}\nkq demo"), "norun is not known there"),
    ],
)  # fmt: skip
def test_a_wrong_page_fails_where_it_is_wrong(run, text, says):
    with pytest.raises(PageError, match=says):
        run(text)


def test_a_command_that_fails_as_told_goes_on(run):
    run(
        page_of(
            "sh {exit=2}\nkq universe all",
            "text {.output}\nerror: .: not in a workspace: no kq.yaml here or above\n...",
        )
    )


def test_a_block_that_is_not_to_run_does_not(run):
    run(page_of("sh {.no-run}\nkq train --gpus 4", "python {.no-run}\nraise ValueError"))


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("rank IC 0.10", "rank IC 0.11"),
        ("NO EDGE: 0.1", "EDGE: 0.1"),
        ("one", "one\ntwo"),
        ("one\ntwo", "one"),
        ("one\n...\nfour", "one\ntwo\nthree"),
        ("...\none", "one\ntwo"),
        ("2024-01-02", "2024-01-03"),
        ("SH600000", "SH600001"),
        ("1 bar", "1 bars"),
        ("0.1%", "0.1"),
    ],
)
def test_another_word_number_date_or_line_is_a_difference(shown, printed):
    assert first_difference(shown, printed) is not None


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("...", ""),
        ("one\n...\nfour", "one\ntwo\nthree\nfour"),
        ("...\nb\n...", "a\nb\nc"),
        ("one   two", "one two"),
        ("runs/backtest/20250102-030405678-ab12/x", "runs/backtest/20261130-191919191-cd34/x"),
        ("done in 3.1 s", "done in 12 min"),
        ("weights 0a1b2c3d4e", "weights ffff00001111"),
    ],
)
def test_what_differs_from_run_to_run_is_no_difference(shown, printed):
    assert first_difference(shown, printed) is None


def test_numbers_may_differ_by_the_tolerance_and_words_and_dates_may_not():
    assert first_difference("t = 5.6 on 23 dates", "t = 5.7 on 23 dates", rel=0.05) is None
    assert first_difference("t = 5.6", "t = 5.7", absolute=0.2) is None
    assert first_difference("t = 5.6", "t = 5.7", rel=0.01) is not None
    assert first_difference("from 2024-01-02", "from 2024-01-03", rel=1) is not None
    assert first_difference("a = 5.6", "t = 5.6", rel=1) is not None


def test_the_blocks_of_a_page_are_found_with_their_lines():
    text = "# Title\n\n```sh\nkq demo\n```\n\n- item\n\n  ```python\n  x = 1\n  ```\n"
    assert [(one.language, one.line, one.source) for one in fences(text)] == [
        ("sh", 3, "kq demo\n"),
        ("python", 9, "x = 1\n"),
    ]
    assert without_fences(text).count("\n") == text.count("\n")
    assert "kq" not in without_fences(text)


def test_a_page_is_read_with_its_head_or_its_marker():
    page = Page(Path("a.md"), "---\ntitle: A\nworkspace: demo\n---\n# A\n")
    assert (page.workspace, page.body.count("\n")) == ("demo", 5)
    assert Page(Path("a.md"), "<!-- workspace: empty -->\n# A\n").workspace == "empty"


def test_a_page_gets_the_inputs_that_its_blocks_name():
    text = page_of("sh\nkq ingest qlib my_qlib", "text\nSH600977.csv") + "and my_csv"
    assert named_inputs(Page(Path("a.md"), text)) == ["my_qlib"]
