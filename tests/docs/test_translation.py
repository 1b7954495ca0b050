"""Chinese pages say what the English ones say, in the glossary's words."""

import warnings

import pytest
from doccheck.pages import DOCS, Page, pages
from doccheck.translation import FIRST_DAY, differences, glossary, half_width, is_stale, wrong_terms
from made import ROOT

from docs.stamp import source_digest, stamped

CHINESE = [page for page in pages() if page.path.is_relative_to(DOCS / "zh") or page.path.name == "README.zh.md"]
TRANSLATED = [page for page in CHINESE if page.path.name != "glossary.md"]
"""The glossary is made from one file in both languages."""
ENGLISH_TEXT = """\
---
title: A
---
# A

One <!-- figure x -->1<!-- /figure --> [link](b.md).

```sh
kq demo  # run it
```

| a | b |
|---|---|
| 1 | `x|y` |
"""
CHINESE_TEXT = ENGLISH_TEXT.replace("One", "一，").replace("run it", "运行").replace("| a |", "| 甲 |")


def english_of(page: Page) -> Page:
    if page.path.name == "README.zh.md":
        return Page.read(ROOT / "README.md")
    return Page.read(DOCS / "en" / page.path.relative_to(DOCS / "zh"))


@pytest.mark.parametrize("page", TRANSLATED, ids=lambda page: page.name)
def test_a_translation_has_the_blocks_headings_links_and_tables_of_its_page(page):
    assert list(differences(english_of(page), page)) == []


@pytest.mark.parametrize("page", TRANSLATED, ids=lambda page: page.name)
def test_a_translation_is_of_the_present_page(page):
    if is_stale(english_of(page), page):
        place = page.path.relative_to(DOCS / "zh") if page.path.is_relative_to(DOCS) else page.path.name
        assert str(place) not in (*FIRST_DAY, "README.zh.md"), "translate again, then python -m docs.stamp"
        warnings.warn(f"{page.name}: the English page has changed", stacklevel=1)


@pytest.mark.parametrize("page", CHINESE, ids=lambda page: page.name)
def test_a_chinese_page_uses_the_terms_of_the_glossary_and_full_width_punctuation(page):
    assert wrong_terms(page, glossary()) == []
    assert half_width(page) == []


def test_the_pages_of_the_first_day_are_in_both_languages():
    assert {
        name for name in FIRST_DAY if (DOCS / "en" / name).is_file() and not (DOCS / "zh" / name).is_file()
    } == set()


def translation(text: str) -> tuple[Page, Page]:
    english = Page(DOCS / "en" / "a.md", ENGLISH_TEXT)
    return english, Page(DOCS / "zh" / "a.md", stamped(text, ENGLISH_TEXT))


def test_a_true_translation_passes():
    english, chinese = translation(CHINESE_TEXT)
    assert list(differences(english, chinese)) == []
    assert not is_stale(english, chinese)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("kq demo", "kq doctor", "the block differs"),
        ("```sh\nkq demo  # 运行\n```\n", "", "lacks the block"),
        ("# A", "A", "headings: 0"),
        ("[link](b.md)", "link", "links: 0"),
        ("| 1 | `x|y` |\n", "", "tables"),
        ("figure x", "figure y", "figures"),
    ],
)
def test_a_translation_that_lacks_or_changes_something_is_found(old, new, says):
    english, chinese = translation(CHINESE_TEXT.replace(old, new))
    assert says in "\n".join(differences(english, chinese))


def test_a_changed_sentence_makes_a_translation_stale_and_a_changed_output_does_not():
    english, chinese = translation(CHINESE_TEXT)
    assert is_stale(Page(english.path, english.text.replace("One", "Two")), chinese)
    changed = english.text.replace("kq demo", "kq doctor").replace("-->1<", "-->2<")
    assert source_digest(changed) == source_digest(english.text)
    [lacking] = differences(english, Page(chinese.path, CHINESE_TEXT))
    assert lacking.endswith("no source_sha256 (python -m docs.stamp)")


def test_other_terms_and_half_width_punctuation_are_found():
    terms = [{"en": "drawdown", "zh": "回撤", "not": ["回落"]}]
    page = Page(DOCS / "zh" / "a.md", "# 标题\n\n最大回落,很大。用 `回落` 和 kq.yaml, 3.5 倍(约)大,\n\n结束.\n")
    assert wrong_terms(page, terms) == ["docs/zh/a.md:3: 回落: write 回撤"]
    assert [one.split(":")[1] for one in half_width(page)] == ["3", "3", "3", "3", "5"]


def test_the_glossary_has_both_languages():
    assert all({"en", "zh"} <= set(term) for term in glossary())


def test_a_readme_is_stamped_in_a_comment():
    text = stamped(stamped("# 标题\n", ENGLISH_TEXT, comment=True), ENGLISH_TEXT, comment=True)
    assert text == f"<!-- source_sha256: {source_digest(ENGLISH_TEXT)} -->\n# 标题\n"
    assert not is_stale(Page(ROOT / "README.md", ENGLISH_TEXT), Page(ROOT / "README.zh.md", text))
