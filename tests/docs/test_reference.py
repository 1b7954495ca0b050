"""The generated reference: current, complete, each thing in one place."""

import ast
import json
import re

import jsonschema
import pytest
import yaml
from commands import commands
from made import ROOT

import kronos_quant
from docs.build import api, glossary, llms, reference, schemas, website
from docs.build.commands import file_name, json_keys
from docs.build.fields import field_table
from kronos_quant import errors, schema
from kronos_quant.backtest import codes
from kronos_quant.config.environment import VARIABLES
from kronos_quant.config.fields import field_rows
from kronos_quant.files import asset_dir
from kronos_quant.market import iter_checks
from kronos_quant.workflows.fields import field_model

DOCS = ROOT / "docs"
COLUMNS, KEYS = "en/reference/columns.md", "en/reference/metrics.md"
PAGES = {path: text for path, text in reference.generated_pages().items() if path.startswith("en/reference/")}
ELSEWHERE = {"INTERRUPTED": 130, "NOT_EQUAL": 5}


def places(cell):
    """The pages that have a table with this first cell, but for those of columns and keys."""
    pages = {path: text for path, text in PAGES.items() if path not in (COLUMNS, KEYS)}
    return [path for path, text in pages.items() if re.search(rf"^\| {re.escape(cell)} \|", text, re.MULTILINE)]


def test_the_committed_pages_are_what_the_code_says():
    assert reference.different_pages(DOCS) == [], "python -m docs.build"


def test_the_pages_hold_nothing_of_this_machine():
    for path, text in PAGES.items():
        assert str(ROOT) not in text, path
        assert not re.search(r"/(home|root|Users|tmp)/", text), path


@pytest.mark.parametrize("name", sorted(set(commands()) - {"kq"}))
def test_every_command_has_one_page_that_shows_its_options(name):
    text = PAGES[f"en/reference/commands/{file_name(name)}.md"]
    assert f"\n# {name}\n" in text
    for parameter in commands()[name].params:
        for option in (*parameter.opts, *parameter.secondary_opts):
            if option.startswith("--") and option != "--help":
                assert f"`{option}`" in text
                assert parameter.help, option


@pytest.mark.parametrize("kind", list(schemas.TITLES))
def test_every_field_is_in_one_table_with_a_meaning(kind):
    model = field_model(kind)
    pages = {"kq": ["kq_yaml"], "recipe": ["recipe"], "strategy": ["strategy", "risk"]}[kind]
    for row in field_rows(model):
        lines = [
            line
            for page in pages
            for line in PAGES[f"en/reference/{page}.md"].splitlines()
            if line.startswith(f"| `{row.name}` |")
        ]
        assert len(lines) == (0 if kind == "kq" and "." not in row.name else 1), row.name
        assert row.meaning or (kind == "kq" and "." not in row.name), f"en/reference/{pages[0]}.md: {row.name}"


def test_a_column_that_is_renamed_is_found_with_its_page(monkeypatch):
    first, *others = schema.tables()
    renamed = first.columns[0].model_copy(update={"name": "ticker"})
    changed = first.model_copy(update={"columns": (renamed, *first.columns[1:])})
    monkeypatch.setattr(schema, "tables", lambda: (changed, *others))
    assert reference.different_pages(DOCS) == [COLUMNS]


def test_a_field_without_a_description_is_found_with_its_page(monkeypatch):
    info = field_model("strategy").model_fields["topk"]
    monkeypatch.setattr(info, "description", None)
    assert "en/reference/strategy.md" in reference.different_pages(DOCS)
    table = field_table(row for row in field_rows(field_model("strategy")) if row.name == "topk")
    assert "symbols held" not in table


@pytest.mark.parametrize("table", schema.tables(), ids=lambda table: table.name)
def test_every_column_of_a_file_is_on_the_page_of_columns(table):
    [part] = re.findall(rf"^## {re.escape(table.name)}$(.*?)(?=^## |\Z)", PAGES[COLUMNS], re.MULTILINE | re.DOTALL)
    rows = dict(re.findall(r"^\| `(.+?)` \| (.+)$", part, re.MULTILINE))
    assert list(rows) == [column.name for column in table.columns]
    for column in table.columns:
        assert column.meaning[1:] in rows[column.name].replace("\\|", "|")


@pytest.mark.parametrize("document", schema.documents(), ids=lambda document: document.name)
def test_every_key_of_a_json_file_is_on_the_page_of_keys(document):
    if document.internal:
        [part] = re.findall(rf"^\| `{re.escape(document.file)}` \| .*", PAGES[KEYS], re.MULTILINE)
    else:
        [part] = re.findall(rf"^## {re.escape(document.name)}$(.*?)(?=^## |\Z)", PAGES[KEYS], re.MULTILINE | re.DOTALL)
    assert {figure.key for figure in document.figures} <= set(re.findall(r"`([^`]+)`", part))


@pytest.mark.parametrize("check", list(iter_checks()), ids=lambda check: check.name)
def test_every_check_is_on_its_page_once(check):
    assert places(f"`{check.name}`") == ["en/reference/checks.md"]


def test_every_reason_of_an_order_has_a_meaning():
    said = {**{codes.REASONS[k]: v for k, v in codes.MEANINGS.items()}} | {
        codes.RISKS[k]: v for k, v in codes.RISK_MEANINGS.items()
    }
    assert set(said) == {*codes.REASONS.values(), *codes.RISKS.values()} - {""}
    for reason in said:
        assert places(f"`{reason}`") == ["en/reference/reject_reasons.md"]


def test_every_exit_code_is_on_its_page():
    classes = {
        kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")
    }
    for code in {0, *classes, *ELSEWHERE.values()}:
        assert "en/reference/exit_codes.md" in places(str(code))
    constants = {}
    for file in (ROOT / "cli").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name)
                and node.targets[0].id in ELSEWHERE
            ):
                constants[node.targets[0].id] = ast.literal_eval(node.value)
    assert constants == ELSEWHERE


def variables_read():
    """The names that the code asks the environment for, as far as they stand there as texts."""
    found = set()
    for file in [*(ROOT / "kronos_quant").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]:
        text = file.read_text(encoding="utf-8")
        found |= set(re.findall(r"environ(?:\.get|\.setdefault|)[(\[]\"([A-Z_]+)\"", text))
        found |= set(re.findall(r"\"([A-Z_]+)\" (?:not )?in os\.environ", text))
    return found


def test_every_environment_variable_is_on_its_page_once():
    names = [variable.name for variable in VARIABLES]
    assert variables_read() <= set(names)
    for name in names:
        assert places(f"`{name}`") == ["en/reference/environment.md"]
    assert all(variable.meaning for variable in VARIABLES)


def test_every_name_of_the_front_door_is_on_the_page_of_the_api():
    text = PAGES["en/reference/api/index.md"]
    for name in set(kronos_quant.__all__) - {"__version__"}:
        assert len(re.findall(rf"^- `kq\.{name}`: \S", text, re.MULTILINE)) == 1, name
        assert text.count(f"\n::: {api.home(kronos_quant, name)}\n") == 1, name


def test_every_public_name_of_a_package_is_on_its_page_with_its_meaning():
    without = {
        f"{path}: {name}"
        for path, text in PAGES.items()
        if "/api/" in path
        for name in re.findall(r"^- (`[^`]+`)$", text, re.MULTILINE)
    }
    assert without == set()


def test_every_page_of_the_reference_is_on_its_first_page_or_that_of_its_folder():
    for path in PAGES:
        folder, _, name = path.rpartition("/")
        index = PAGES["en/reference/index.md"] + PAGES.get(f"{folder}/index.md", "")
        if name != "index.md" and "/api/" not in path:
            assert name in index, path


# schemas


def plain(value):
    """Dates as text, as JSON has them."""
    return json.loads(json.dumps(value, default=str))


@pytest.mark.parametrize("kind", list(schemas.TITLES))
def test_every_yaml_file_that_is_shipped_agrees_with_its_schema(kind):
    schema = json.loads((DOCS / "schemas" / f"{kind}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    folder = {"kq": ROOT, "recipe": asset_dir("signals"), "strategy": asset_dir("strategies")}[kind]
    for file in folder.glob("kq.yaml" if kind == "kq" else "*.yaml"):
        jsonschema.validate(plain(yaml.safe_load(file.read_text(encoding="utf-8")) or {}), schema)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("kq", {"train": {"adapt": "full", "epochs": 3, "val_time_range": ["2024-01-02", "2024-02-01"]}}),
        ("kq", {"train": {"adapt": {"lora": 8}}, "instrument": "csi300", "data": {"lookback_window": 90}}),
        ("recipe", {"asof": "close", "base": "actual", "steps": [{"step": "winsorise"}, {"step": "rank"}]}),
        ("recipe", {"asof": {"times": ["11:30", 900]}}),
        ("strategy", {"signal": "mine", "costs": {"open_cost": 0.0005}, "risk_degree": 0.9}),
        ("strategy", {"profile": "qlib", "qlib": {"volume_threshold": ["current", "0.1 * $volume"]}}),
    ],
)
def test_what_the_models_read_the_schemas_allow(kind, values):
    jsonschema.validate(values, schemas.schema(kind))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("kq", {"train": {"sed": 3}}),
        ("recipe", {"samples": 0}),
        ("strategy", {"fill": "noon"}),
        ("strategy", {"topkk": 3}),
    ],
)
def test_what_the_models_refuse_the_schemas_refuse(kind, values):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, schemas.schema(kind))


# what --json prints


def test_every_command_with_json_is_described():
    with_json = {name for name, one in commands().items() if any("--json" in p.opts for p in one.params)}
    assert set(json_keys()) == with_json
    assert all(said["keys"] for said in json_keys().values())


LINES = (
    "doctor", "licenses", "audit", "config show train.seed", "config fields recipe", "config fields columns",
    "check", "universe",
    "history MADE0003", "export bars out.parquet", "snapshot list", "snapshot prune", "model list",
    "signal import scores.csv --name mine", "signal list", "signal show mine", "signal prune",
)  # fmt: skip


def test_the_keys_that_commands_print_are_those_of_their_pages(scored_workspace, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(scored_workspace.root)
    for line in LINES:
        assert_described(line, capsys)
    monkeypatch.chdir(kronos_quant.init(tmp_path / "other").root)
    assert_described("ingest synthetic --symbols 5 --sessions 60", capsys)


def assert_described(line, capsys):
    name = max((one for one in json_keys() if f"kq {line} ".startswith(f"{one} ")), key=len)
    printed = printed_json([*line.split(), "--json"], capsys)
    for one in printed if isinstance(printed, list) else [printed]:
        assert set(one) == set(json_keys()[name]["keys"]), line


def printed_json(words, capsys):
    from kq_cli.app import app

    capsys.readouterr()
    app(words, standalone_mode=False, prog_name="kq")
    return json.loads(capsys.readouterr().out)


# the site


def test_the_glossary_has_every_term_in_both_languages():
    terms = yaml.safe_load(glossary.GLOSSARY.read_text(encoding="utf-8"))
    assert len(terms) > 60
    for term in terms:
        assert {"en", "zh", "says", "zh_says"} <= set(term)
        assert re.search(r"[\u4e00-\u9fff]", term["zh_says"])


def test_staged_pages_are_whole_and_llms_holds_every_one(tmp_path):
    website.stage(DOCS, tmp_path / "pages")
    for language in website.LANGUAGES:
        listed = set(llms.page_order(tmp_path / "pages", language))
        assert {path for path in listed if path.startswith("reference/")} == {
            path.removeprefix("en/") for path in PAGES
        }
    llms.write_llms(tmp_path / "pages", tmp_path / "site")
    index = (tmp_path / "site" / "llms.txt").read_text(encoding="utf-8")
    full = (tmp_path / "site" / "llms-full.txt").read_text(encoding="utf-8")
    for link in re.findall(r"\]\((\S+\.md)\)", index):
        assert (tmp_path / "site" / link).stat().st_size > 50, link
    english = sum(file.stat().st_size for file in (tmp_path / "pages" / "en").rglob("*.md"))
    assert 0.8 * english < len(full.encode()) < 1.2 * english
    assert ":::" not in full
    assert index.count("\n- [") > len(PAGES)


def test_every_hand_written_page_is_in_the_nav():
    for language in website.LANGUAGES:
        settings = yaml.safe_load((DOCS / f"{language}.yml").read_text(encoding="utf-8"))
        listed = str(settings["nav"])
        for file in (DOCS / language).rglob("*.md"):
            path = file.relative_to(DOCS / language).as_posix()
            assert path in listed or path.startswith(("reference/commands/", "reference/api/")), path


def test_a_chinese_link_to_an_english_page_becomes_one_of_the_site():
    text = "[a](../../en/reference/columns.md#bars) [b](../en/from/vectorbt.md) [c](../install.md)"
    assert (
        website.chinese_links(text)
        == "[a](../reference/columns.md#bars)（英文） [b](../en/from/vectorbt.html)（英文） [c](../install.md)"
    )


# for agents


def test_the_skill_has_the_form_of_agent_skills():
    text = (ROOT / "skills" / "kronos-quant" / "SKILL.md").read_text(encoding="utf-8")
    _, head, body = text.split("---\n", 2)
    said = yaml.safe_load(head)
    assert said["name"] == "kronos-quant"
    assert re.fullmatch(r"[a-z0-9-]{1,64}", said["name"])
    assert 0 < len(said["description"]) <= 1024
    assert body.count("\n") < 500
