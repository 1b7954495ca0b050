"""What the tests of the documentation share: the folders that pages run in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from doccheck.demo import LINES, demo_served, make_demo
from doccheck.inputs import INPUTS, named_inputs
from doccheck.pages import Page
from doccheck.runner import PageRun
from doccheck.terminal import Terminal

SharedFolder = Callable[[str, Callable[[Path], object]], Path]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="rewrite the output blocks and figures of the pages")


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Dates are scored in this process and on one thread: the other cores have pages of their own."""
    monkeypatch.setattr("kronos_quant.signals.scorer.cores", lambda: 1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def demos(shared_folder: SharedFolder) -> Callable[[str], Path]:
    """A function that gives the folder of what a `kq demo` line left, run once for all pages that show it."""
    return lambda line: shared_folder(f"docs-{line.replace(' ', '_')}", lambda folder: make_demo(folder, line))


@pytest.fixture
def page_run(shared_folder: SharedFolder, demos: Callable[[str], Path], tmp_path: Path) -> Callable[[Page], PageRun]:
    """A function that makes the folder of a page, with the inputs that it names, ready to run."""

    def prepare(page: Page) -> PageRun:
        root = tmp_path / "work"
        if page.workspace == "demo":
            shutil.copytree(demos(LINES[0]) / "kq-demo", root)
        else:
            assert page.workspace == "empty", f"{page.name}: workspace: demo or empty, found {page.workspace}"
            root.mkdir()
        for name in named_inputs(page):
            made = shared_folder(f"docs-input-{name}", lambda folder, name=name: INPUTS[name](folder / name)) / name
            shutil.copytree(made, root / name) if made.is_dir() else shutil.copy(made, root / name)
        return PageRun(page, Terminal(root, demo_served(demos)))

    return prepare
