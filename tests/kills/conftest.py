"""`kq` in forks, and a bench on which it is killed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from killing import KillTest, Kq, sessions, write_csv


@pytest.fixture(scope="session")
def kq_forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kq]:
    """`kq` in forks of a process that has imported what bars need."""
    runner = Kq(tmp_path_factory.mktemp("temporary"), ["kq_cli", "kronos_quant.market"])
    yield runner
    runner.close()


@pytest.fixture(scope="session")
def kq_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kq]:
    """`kq` in forks of a process that has imported everything."""
    runner = Kq(tmp_path_factory.mktemp("temporary"), ["kq_cli", "kronos_quant"])
    yield runner
    runner.close()


@pytest.fixture(scope="session")
def kq_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kq]:
    """`kq_forks` for which permissions count, whoever runs the tests."""
    runner = Kq(tmp_path_factory.mktemp("temporary"), ["kq_cli", "kronos_quant.market"], as_user=True)
    yield runner
    runner.close()


@pytest.fixture
def bench(kq_forks: Kq, tmp_path: Path) -> Callable[..., KillTest]:
    """A function that makes a bench of a workspace: bench(base, before), or with `kq_models` for models."""

    def make(base: Path, before: Callable[[Path], object] = lambda folder: None, kq: Kq = kq_forks) -> KillTest:
        return KillTest(kq, base, tmp_path / "workspace", before)

    return make


@pytest.fixture(scope="session")
def ingested(shared_folder):
    """A workspace with the bars of a CSV file, which has changed since."""

    def make(folder):
        from kronos_quant.market import ingest_csv
        from kronos_quant.workspace import init_workspace

        init_workspace(folder, "market: {exchange: XNYS}\n")
        write_csv(folder)
        ingest_csv(folder, folder / "bars.csv", exchange="XNYS")
        write_csv(folder, 1.001)

    return shared_folder("ingested", make)


@pytest.fixture(scope="session")
def scored(trained_folder, shared_folder):
    """The trained workspace with signals of thirty sessions, a strategy on them, and scores to import."""

    def make(folder):
        from made import write_scores

        from kronos_quant.workflows.workspace import Workspace
        from kronos_quant.workspace import open_workspace_folder

        shutil.copytree(trained_folder, folder, dirs_exist_ok=True)
        workspace = open_workspace_folder(folder)
        first, last = sessions(folder)[-30], sessions(folder)[-1]
        Workspace(workspace).signals(start=first, end=last, device="cpu")
        text = f"topk: 4\nn_drop: 1\naccount: 1_000_000\nstart: {first}\nend: {last}\n"
        (folder / "strategies" / "topk.yaml").write_text(text)
        write_scores(workspace, "scores.csv", 5)

    return shared_folder("scored", make)
