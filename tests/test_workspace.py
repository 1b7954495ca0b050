import pytest
from made import ROOT

from kronos_quant import ConfigError
from kronos_quant.backtest import Strategy
from kronos_quant.config import load_yaml
from kronos_quant.workspace import TEMPLATE, init_workspace, open_workspace_folder


def test_init_writes_config_recipes_and_strategies_and_can_be_repeated(tmp_path):
    written = {path.relative_to(tmp_path).as_posix() for path in init_workspace(tmp_path)}
    assert {"kq.yaml", ".gitignore", "signals/default.yaml", "strategies/topk.yaml"} <= written
    (tmp_path / "kq.yaml").write_text("market:\n  universe: csi300\n")
    assert init_workspace(tmp_path) == []
    assert open_workspace_folder(tmp_path).config.market.universe == "csi300"


def test_every_yaml_file_of_a_new_workspace_names_its_schema_and_means_the_same(tmp_path):
    init_workspace(tmp_path)
    for file in tmp_path.rglob("*.yaml"):
        first, rest = file.read_text(encoding="utf-8").split("\n", 1)
        assert (file.parent / first.removeprefix("# yaml-language-server: $schema=")).is_file()
        if file.parent.name == "strategies":
            with_line = load_yaml(Strategy, file)
            file.write_text(rest, encoding="utf-8")
            assert load_yaml(Strategy, file).digest_settings() == with_line.digest_settings()


def test_schemas_of_another_version_are_replaced(tmp_path):
    init_workspace(tmp_path)
    schema = tmp_path / ".kq" / "schemas" / "kq.json"
    text = schema.read_text(encoding="utf-8")
    schema.write_text("{}", encoding="utf-8")
    assert init_workspace(tmp_path) == [schema]
    assert schema.read_text(encoding="utf-8") == text


def test_a_workspace_is_found_from_a_folder_inside_it(tmp_path):
    init_workspace(tmp_path)
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert open_workspace_folder(inner).root == tmp_path.resolve()


def test_outside_a_workspace_the_error_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigError, match=r"not in a workspace: no kq\.yaml here or above") as caught:
        open_workspace_folder(tmp_path)
    assert caught.value.hint == "kq init my-research && cd my-research"


def test_recipes_and_strategies_are_found_by_name_and_by_path(tmp_path, monkeypatch):
    init_workspace(tmp_path)
    monkeypatch.chdir(tmp_path / "db")
    workspace = open_workspace_folder(tmp_path)
    expected = tmp_path.resolve() / "strategies" / "topk.yaml"
    assert workspace.strategy_file("topk") == expected
    assert workspace.strategy_file("strategies/topk.yaml") == expected
    assert workspace.strategy_file(str(expected)) == expected
    assert workspace.recipe_file("default").is_file()


def test_the_repository_is_itself_a_workspace_with_the_file_that_init_writes():
    # but for the comment that names the schema
    first, *lines = (ROOT / "kq.yaml").read_text(encoding="utf-8").splitlines()
    assert lines == TEMPLATE.splitlines()[1:]
    assert (ROOT / first.partition("$schema=")[2]).is_file()
    assert open_workspace_folder(ROOT).config.model.base == "NeoQuasar/Kronos-small"
