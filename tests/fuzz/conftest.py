"""The bench of the fuzz suite, and what its doors are made of."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from fuzzing import FuzzBench
from hostile import Doors, Material, doors
from made import write_scores


@pytest.fixture(scope="session")
def material_folder(shared_folder, market_folder) -> Path:
    """`workspace` with bars, scores, a strategy and imported signals; `qlib`, a directory; `pair`, a small model."""

    def make(folder: Path) -> None:
        import kronos_quant as kq
        from kronos_quant.market import export_bars
        from kronos_quant.workspace import open_workspace_folder

        root = folder / "workspace"
        shutil.copytree(market_folder, root)
        write_scores(open_workspace_folder(root), "scores.csv", 12)
        (root / "strategies" / "own.yaml").write_text(
            "scores_file: scores.csv\ntopk: 4\nn_drop: 1\naccount: 1_000_000\n"
        )
        (root / "list.csv").write_text("symbol,start,end\nMADE0001,2024-06-03,\n")
        ws = kq.open(root)
        days = ws.market().sessions()
        ws.import_signals(ws.bars(start=days[-5]).select("date", "symbol", score="close"), "mine")
        export_bars(ws.market(), folder / "qlib", "qlib", symbols=["MADE0001", "MADE0002"], start=days[-20])
        make_pair(folder / "pair")
        shutil.copytree(folder / "pair", root / "pair")
        Material(root, folder / "qlib", folder / "pair").bars.write_csv(root / "bars.csv")

    return shared_folder("fuzz-material", make)


def make_pair(folder: Path) -> None:
    """A tokenizer and a predictor of the smallest shapes."""
    from dataclasses import replace

    from kronos_quant.model import PRESETS, Kronos, KronosTokenizer

    nano = PRESETS["nano"]
    small = {"d_model": 8, "n_heads": 2, "ff_dim": 8}
    KronosTokenizer(replace(nano.tokenizer, **small)).save_pretrained(folder / "tokenizer")
    Kronos(replace(nano.predictor, **small)).save_pretrained(folder / "predictor")


@pytest.fixture(scope="session")
def fuzz_bench(material_folder, tmp_path_factory) -> FuzzBench:
    """A workspace that every case finds whole; a case that fails is written to the file FUZZ_FOUND."""
    found = os.environ.get("FUZZ_FOUND")
    place = tmp_path_factory.mktemp("fuzz")
    return FuzzBench(material_folder / "workspace", place / "bench", found=Path(found) if found else None)


@pytest.fixture(scope="session")
def fuzz_doors(material_folder) -> Doors:
    """The doors of `hostile` on this material."""
    return doors(Material(material_folder / "workspace", material_folder / "qlib", material_folder / "pair"))
