"""Paths and settings that a page names are there."""

import pytest
from doccheck.fences import PageError
from doccheck.pages import Page, pages
from doccheck.paths import missing_paths
from doccheck.settings import check_yaml_of
from made import ROOT

PAGES = [*pages(), *map(Page.read, (ROOT / "CHANGELOG.md", ROOT / "benchmarks" / "README.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_in_a_page_exists_or_is_made_by_it(page):
    assert missing_paths(page) == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_yaml_block_of_a_page_is_read_by_its_model(page):
    check_yaml_of(page)


def test_a_path_that_is_nowhere_is_found(tmp_path):
    text = """\
`kronos_quant/schema/nothing.py` `none/` `gone.py` kronos_quant/errors.py `errors.py` `db/checks/` runs/x/report.txt
`strategies/mine.yaml` `rule.py`
```yaml title="strategies/mine.yaml"
topk: 4
```
```python title="rule.py"
```
"""
    page = Page(tmp_path / "page.md", text)
    assert missing_paths(page) == {"kronos_quant/schema/nothing.py", "none/", "gone.py"}


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ('yaml title="strategies/a.yaml"\ntopk: 4\nn_drop: 9', "as strategies: .*at most topk"),
        ("yaml\nno_field: 1", "as kq.yaml: (.|\n)*as signals: (.|\n)*as strategies"),
        ('yaml title="kq.yaml"\ntopk: 4', "as kq.yaml: "),
    ],
)
def test_settings_that_no_model_reads_are_found(tmp_path, block, says):
    with pytest.raises(PageError, match=says):
        check_yaml_of(Page(tmp_path / "page.md", f"# T\n\n```{block}\n```\n"))
