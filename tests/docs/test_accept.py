"""What was printed goes into the pages, and nothing else of them changes."""

from doccheck.accept import accepted, kept, with_outputs_of
from doccheck.pages import Page
from doccheck.runner import PageRun
from doccheck.terminal import Terminal

TEXT = """\
# Title

```python
print("one")
print("two 2.5")
```

```text {.output abs=0.1}
SHOWN
```

The end.
"""


def accept(shown: str, tmp_path) -> str:
    page = Page(tmp_path / "page.md", TEXT.replace("SHOWN", shown))
    return accepted(PageRun(page, Terminal(tmp_path)))


def test_an_empty_block_and_a_wrong_one_are_filled(tmp_path):
    filled = TEXT.replace("SHOWN", "one\ntwo 2.5")
    assert accept("", tmp_path) == accept("...", tmp_path) == accept("three", tmp_path) == filled


def test_a_block_that_agrees_is_not_touched(tmp_path):
    for shown in ("one\ntwo 2.5", "one\ntwo 2.45", "...\ntwo 2.5", "one\n..."):
        assert accept(shown, tmp_path) == TEXT.replace("SHOWN", shown)


def test_what_a_block_leaves_out_stays_left_out(tmp_path):
    assert accept("...\ntwo 9", tmp_path) == TEXT.replace("SHOWN", "...\ntwo 2.5")
    assert accept("nine\n...", tmp_path) == TEXT.replace("SHOWN", "one\n...")
    assert kept("a\n...\nz", ["1", "2", "3", "4"]) == ["1", "...", "4"]


def test_an_indented_block_stays_indented(tmp_path):
    text = "- item\n\n  ```python\n  print(1)\n  ```\n\n  ```text {.output}\n  ```\n"
    page = Page(tmp_path / "page.md", text)
    assert accepted(PageRun(page, Terminal(tmp_path))) == text.replace("{.output}\n", "{.output}\n  1\n")


def test_the_outputs_of_a_page_go_into_its_translation(tmp_path):
    english = Page(tmp_path / "a.md", TEXT.replace("SHOWN", "new"))
    chinese = Page(tmp_path / "b.md", TEXT.replace("SHOWN", "old").replace("The end.", "完。"))
    assert with_outputs_of(english, chinese) == english.text.replace("The end.", "完。")
    other = Page(tmp_path / "b.md", "没有代码\n")
    assert with_outputs_of(english, other) == other.text
