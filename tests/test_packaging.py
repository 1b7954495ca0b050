"""The wheel: what is in it, and that it works away from the checkout."""

import configparser
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from made import ROOT

from kronos_quant import __version__
from kronos_quant.workspace import schema_line

PARTS = ("kronos_quant", "cli", "db", "signals", "strategies", "docs/schemas")
FILES = ("pyproject.toml", "README.md", "LICENSE", "kq.yaml")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.duckdb*", "snapshots", "store")
ASSET_FOLDERS = ("db", "signals", "strategies", "docs/schemas")
STRAY = (
    "db/market.duckdb",
    "db/snapshots/x/bars.day.parquet",
    "signals/store/x/2025-06-05.parquet",
    "runs/train/x/metrics.json",
    "models/tiny/config.json",
    "tests/test_x.py",
    "notes.py",
)
"""What may lie around in a checkout that is used."""

ASSETS = {
    "db/migrations": "*.sql",
    "db/checks": "*.sql",
    "db/statements": "*.sql",
    "db/views": "*.sql",
    "signals": "*.yaml",
    "strategies": "*.yaml",
    "docs/schemas": "*.json",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built from a copy in which data lie around, as in a checkout that is used."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "copy"
    for part in PARTS:
        shutil.copytree(ROOT / part, copy / part, ignore=LEFT_OUT)
    for file in FILES:
        shutil.copy(ROOT / file, copy / file)
    for stray in STRAY:
        (copy / stray).parent.mkdir(parents=True, exist_ok=True)
        (copy / stray).write_text("")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")],
        cwd=copy,
        check=True,
        capture_output=True,
    )
    [built] = (folder / "dist").iterdir()
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    return zipfile.ZipFile(wheel).namelist()


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel unpacked, as pip lays it out."""
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def run(installed: Path, folder: Path, code: str, *arguments: str) -> str:
    """What a fresh interpreter prints that sees the wheel and nothing of the checkout."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_has_the_templates_of_the_pages(names: list[str]) -> None:
    templates = {path.name for path in (ROOT / "kronos_quant" / "report" / "templates").iterdir()}
    assert templates == {"base.html", "document.html", "parts.html", "quantstats.html", "style.css"}
    assert {f"kronos_quant/report/templates/{name}" for name in templates} <= set(names)


def test_the_wheel_has_the_scripts_of_the_pages_and_their_licences(names: list[str]) -> None:
    assets = ROOT / "kronos_quant" / "report" / "assets"
    files = {path.relative_to(ROOT).as_posix() for path in assets.rglob("*") if path.is_file()}
    assert {Path(name).name for name in files} == {"echarts.min.js", "LICENSE", "LICENSE-d3", "NOTICE", "page.js"}
    assert files <= set(names)


def test_the_wheel_holds_the_library_the_command_and_nothing_else(wheel, names):
    assert wheel.name == f"kronos_quant-{__version__}-py3-none-any.whl"
    assert {name.split("/")[0] for name in names} == {"kronos_quant", "kq_cli", f"kronos_quant-{__version__}.dist-info"}
    assert f"kronos_quant-{__version__}.dist-info/licenses/LICENSE" in names


def test_every_module_of_the_checkout_is_in_the_wheel(names):
    sources = [ROOT / "kronos_quant", ROOT / "cli" / "kq_cli"]
    expected = {str(file.relative_to(source.parent)) for source in sources for file in source.rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == expected


def test_templates_stubs_and_the_mark_of_types_travel_too(names):
    package = ROOT / "kronos_quant"
    sources = [*package.rglob("*.pyi"), *(package / "report" / "templates").iterdir(), package / "py.typed"]
    assert {str(path.relative_to(ROOT)) for path in sources} <= set(names)


@pytest.mark.parametrize(("folder", "pattern"), ASSETS.items())
def test_the_files_that_the_library_reads_travel_with_it(names, folder, pattern):
    expected = {f"kronos_quant/_assets/{folder}/{path.name}" for path in (ROOT / folder).glob(pattern)}
    assert expected
    assert expected <= set(names)


def test_no_data_no_database_and_no_tests_are_packed(names):
    kinds = {Path(name).suffix for name in names if "dist-info" not in name and "assets/echarts" not in name}
    assert kinds <= {".py", ".pyi", ".sql", ".yaml", ".json", ".typed", ".html", ".css", ".js"}
    assert not {"store", "snapshots", "tests", "models"} & {part for name in names for part in Path(name).parts}


def test_the_entry_point_is_kq(installed):
    entry_points = configparser.ConfigParser()
    entry_points.read(installed / f"kronos_quant-{__version__}.dist-info" / "entry_points.txt")
    assert dict(entry_points["console_scripts"]) == {"kq": "kq_cli.app:main"}


def test_the_assets_are_found_in_the_wheels_copy(installed, tmp_path):
    code = f"import kronos_quant.files as a\nfor n in {ASSET_FOLDERS}: print(a.asset_dir(n))"
    found = run(installed, tmp_path, code).split()
    assert found == [str(installed / "kronos_quant" / "_assets" / name) for name in ASSET_FOLDERS]


def test_the_command_works_from_the_wheel(installed, tmp_path):
    main = "from kq_cli.app import main; main()"
    assert "Usage: kq " in run(installed, tmp_path, main, "--help")
    assert run(installed, tmp_path, main, "init", "research").startswith(f"workspace {tmp_path / 'research'}: 11 files")
    default = tmp_path / "research" / "signals" / "default.yaml"
    assert default.read_text() == schema_line("recipe") + (ROOT / "signals" / "default.yaml").read_text()
    options = ("ingest", "synthetic", "--symbols", "5", "--sessions", "60")
    assert "6 symbols, 60 sessions" in run(installed, tmp_path / "research", main, *options)
