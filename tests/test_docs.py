"""What the README and the shipped files say is so; tests/docs has the pages."""

import importlib
import re

import pytest
from made import ROOT

from kronos_quant.backtest import Strategy
from kronos_quant.config import load_workspace_config, load_yaml
from kronos_quant.files import asset_dir
from kronos_quant.signals import Recipe
from kronos_quant.workspace import TEMPLATE

README = (ROOT / "README.md").read_text(encoding="utf-8")
ROOMS = sorted(".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "kronos_quant").rglob("__init__.py"))


def test_the_first_screen_of_the_readme_holds_the_two_commands():
    first_block = re.search(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert [line.split("#")[0].strip() for line in first_block[1].splitlines()] == ["make demo", "make test"]
    assert README[: first_block.start()].count("\n") < 20


@pytest.mark.parametrize("readme", ["README.md", "README.zh.md"])
def test_a_readme_quotes_what_the_demo_prints(readme):
    quoted = re.search(r"^```text\n(.*?)^```", (ROOT / readme).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    page = (ROOT / "docs" / "en" / "tutorial" / "first_backtest.md").read_text(encoding="utf-8")
    assert quoted[1] in page


def test_every_room_is_in_the_table_of_packages():
    page = (ROOT / "docs" / "en" / "explain" / "architecture.md").read_text(encoding="utf-8")
    rooms = [room.replace(".", "/") for room in ROOMS if room.count(".") == 1]
    assert [room for room in rooms if f"`{room}`" not in page] == []


@pytest.mark.parametrize("path", sorted(asset_dir("signals").glob("*.yaml")), ids=lambda path: path.name)
def test_every_recipe_that_is_shipped_is_valid(path):
    load_yaml(Recipe, path)


@pytest.mark.parametrize("path", sorted(asset_dir("strategies").glob("*.yaml")), ids=lambda path: path.name)
def test_every_strategy_that_is_shipped_is_valid_and_its_recipe_is_shipped_too(path):
    strategy = load_yaml(Strategy, path)
    assert (asset_dir("signals") / f"{strategy.recipe}.yaml").is_file()


def test_the_shipped_recipe_and_strategy_say_what_the_defaults_are():
    default = load_yaml(Recipe, asset_dir("signals") / "default.yaml")
    assert default == Recipe.model_validate({})
    assert load_yaml(Strategy, asset_dir("strategies") / "topk.yaml") == Strategy.model_validate({})


def test_the_config_of_a_new_workspace_says_what_the_defaults_are(tmp_path):
    (tmp_path / "kq.yaml").write_text(TEMPLATE)
    (tmp_path / "empty.yaml").write_text("{}")
    written, empty = (load_workspace_config(tmp_path / name).config for name in ("kq.yaml", "empty.yaml"))
    assert written == empty
    assert load_workspace_config(ROOT / "kq.yaml").config == empty


@pytest.mark.parametrize("room", ROOMS)
def test_the_public_names_of_a_room_exist_and_are_sorted(room):
    module = importlib.import_module(room)
    names = getattr(module, "__all__", [])
    assert all(hasattr(module, name) for name in names)
    # constants first, then classes, then functions, as ruff sorts them; names that load lazily just by their letters
    by_kind = sorted(set(names), key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert names in (by_kind, sorted(set(names)))
