"""Links lead somewhere."""

import pytest
from doccheck.links import anchors, broken_links
from doccheck.pages import Page, pages


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page):
    assert broken_links(page) == []


def test_a_link_to_no_file_or_no_heading_is_found(tmp_path):
    (tmp_path / "other.md").write_text(
        "# Other page\n\n## `kq.yaml`: the file\n\n## 中文\n\n## 名 {#name}\n\n## 中文二\n"
    )
    text = """\
[a](other.md) [b](other.md#kqyaml-the-file) [c](#here) [d](https://example.com/x) [e](other.md#_1) [f](other.md#name)
## Here
`[no](link.md)`
```text
[no](link.md)
```
![picture](missing.png) [g](missing.md) [h](other.md#other) [i](other.md#_3) <img src="gone.svg">
"""
    assert broken_links(Page(tmp_path / "page.md", text)) == [
        f"{tmp_path}/page.md:7: missing.png: no such file",
        f"{tmp_path}/page.md:7: missing.md: no such file",
        f"{tmp_path}/page.md:7: other.md#other: no such heading",
        f"{tmp_path}/page.md:7: other.md#_3: no such heading",
        f"{tmp_path}/page.md:7: gone.svg: no such file",
    ]


def test_equal_headings_have_numbered_anchors():
    assert anchors("# One\n## Two\n## Two\n```sh\n# no heading\n```\n") == {"one", "two", "two_1"}
