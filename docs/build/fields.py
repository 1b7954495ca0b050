"""Pages of the three kinds of YAML files: kq.yaml, recipes, strategies."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import asdict, fields

from docs.build.markdown import code, codes, fence, page, sentence, table
from kronos_quant.backtest import Strategy
from kronos_quant.backtest.settings import Risk
from kronos_quant.config import WorkspaceConfig
from kronos_quant.config.fields import FieldRow, field_rows
from kronos_quant.config.presets import FINE_TUNING, FROM_SCRATCH, LORA_RATE, TrainingPreset
from kronos_quant.signals import Recipe
from kronos_quant.workspace import TEMPLATE

HEAD = ("Field", "Permitted", "Default", "Unit", "Meaning")


def pages() -> dict[str, str]:
    """Page name -> text."""
    return {"kq_yaml": kq_yaml(), "recipe": recipe(), "strategy": strategy(), "risk": risk(), "presets": presets()}


def field_table(rows: Iterable[FieldRow]) -> str:
    """Fields as a table, older names after the meaning."""
    return table(
        HEAD,
        (
            (code(row.name), row.permitted, code(row.default), row.unit, _meaning(row.meaning, row.aliases))
            for row in rows
        ),
    )


def _meaning(meaning: str, aliases: tuple[str, ...]) -> str:
    also = f" Also read as {codes(aliases)}." if aliases else ""
    return sentence(meaning) + also if meaning else also.strip()


def kq_yaml() -> str:
    """The page of kq.yaml."""
    rows = field_rows(WorkspaceConfig)
    sections = []
    for name, info in WorkspaceConfig.model_fields.items():
        words = info.description or inspect.getdoc(info.annotation) or ""
        inner = [row for row in rows if row.name.startswith(f"{name}.")]
        sections += [f"## {name}", sentence(words.partition(". See `")[0]), field_table(inner)]
    return page(
        "kq.yaml",
        "Every setting of a workspace: name, permitted values, default, unit and meaning.",
        "`kq.yaml` makes a folder a workspace. A flag wins over the environment (`KQ_TRAIN__BATCH_SIZE=32`), the "
        "environment over the file, the file over the default. `kq config show` prints the values in force and where "
        'each came from. Where a default is `null` and the meaning says "by preset", see [presets](presets.md).',
        "`kq init` writes:",
        fence(TEMPLATE, "yaml"),
        *sections,
    )


def recipe() -> str:
    """The page of recipes."""
    return page(
        "Recipe",
        "Every field of signals/NAME.yaml: the model, its input, sampling, the score and its steps.",
        "A recipe, `signals/NAME.yaml`, defines where signals come from: computed with a model, imported from a file "
        "(`kq signal import`) or averaged from other recipes (`members`). Unknown fields are refused.",
        field_table(field_rows(Recipe)),
    )


def strategy() -> str:
    """The page of strategies, but for the section risk."""
    rows = [row for row in field_rows(Strategy) if not row.name.startswith("risk.")]
    return page(
        "Strategy",
        "Every field of strategies/NAME.yaml: scores, trading rule, costs, liquidity and period.",
        "A strategy, `strategies/NAME.yaml`, is a back-test as settings. Rates are fractions, money is in account "
        "currency. The fields of `risk` have [a page of their own](risk.md). Unknown fields are refused.",
        field_table(rows),
    )


def risk() -> str:
    """The page of the section risk."""
    return page(
        "Risk rules",
        "Every field of a strategy's section risk, and the order in which the rules apply.",
        *(" ".join(part.split()) for part in (inspect.getdoc(Risk) or "").split("\n\n")),
        field_table(field_rows(Risk, "risk.")),
        "An order that a rule made or cut names the rule in its [reason](reject_reasons.md).",
    )


def presets() -> str:
    """The page of training presets."""
    columns = {"fine-tuning": FINE_TUNING, **{f"scratch, {name}": preset for name, preset in FROM_SCRATCH.items()}}
    values = {name: asdict(preset) for name, preset in columns.items()}
    rows = (
        (code(f"train.{field.name}"), *(f"{preset[field.name]:g}" for preset in values.values()))
        for field in fields(TrainingPreset)
    )
    return page(
        "Training presets",
        "What a null setting of train becomes: for fine-tuning, and for each size trained from scratch.",
        "A setting of `train` that is null takes its value from here: from the column `fine-tuning` unless "
        "`model.base` is `scratch`, else from that of `model.preset`.",
        table(["Setting", *values], rows),
        "With `train.adapt` other than `full` the tokenizer is kept (`train.tokenizer_epochs` 0). With `lora` the "
        f"predictor's learning rate is {LORA_RATE} times as high.",
    )
