"""A back-test that was examined once for all tests of what is told of it."""

from __future__ import annotations

import pytest
from report.cases import Examined, full_case


@pytest.fixture(scope="session")
def whole_case(tmp_path_factory: pytest.TempPathFactory) -> Examined:
    """`full_case`; not to be changed."""
    return full_case(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def sketched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages with empty pictures, for tests of their words: tests/charts draws every chart, other tests whole pages."""
    monkeypatch.setattr("kronos_quant.report.document.figure_svg", lambda chart, label: '<svg role="img"></svg>')
