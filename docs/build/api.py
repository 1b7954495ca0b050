"""Pages of the Python interface: one a package, with what the site's `:::` shows and a plain list for everyone else."""

from __future__ import annotations

import ast
import importlib
import inspect
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import kronos_quant
from docs.build.markdown import code, page, sentence

FRONT = "kronos_quant"
PACKAGES = ("market", "windows", "model", "training", "signals", "backtest", "charts", "config", "runs")
"""Packages with public names of their own, in the order of the data."""


def pages() -> dict[str, str]:
    """Page name -> text."""
    made = {f"api/{name}": package_page(importlib.import_module(f"{FRONT}.{name}")) for name in PACKAGES}
    return {"api/index": front_page(), **made}


def front_page() -> str:
    """The page of `import kronos_quant as kq`, with the methods of a workspace."""
    module = importlib.import_module(FRONT)
    names = [name for name in module.__all__ if name != "__version__"]
    return page(
        "Python API",
        "The names of `import kronos_quant as kq`: workspaces, back-tests, forecasts, results and errors.",
        "`import kronos_quant as kq` is all that most work needs: every command is a method of `kq.Workspace` with the "
        "same defaults; `kq.backtest`, `kq.forecast` and `kq.rank_ic` take tables. The packages have pages of their "
        "own. `kq.__version__` is the version.",
        plain_list(module, names, "kq"),
        *(directive(module, name) for name in names),
    )


def package_page(module: ModuleType) -> str:
    """The page of a package."""
    name, names = module.__name__, list(module.__all__)
    first = first_line(module)
    return page(
        name,
        first,
        sentence(first),
        plain_list(module, names, name.rpartition(".")[2]),
        *(directive(module, each) for each in names if home(module, each)),
    )


def plain_list(module: ModuleType, names: list[str], prefix: str) -> str:
    """Each name and the first line of its docstring; of a class of the front door its methods too."""
    lines = []
    for name in names:
        value = resolved(module, name)
        words = first_line(value) or constant_words(module.__name__).get(name) or constant_words(FRONT).get(name, "")
        lines.append(f"- {code(f'{prefix}.{name}')}" + (f": {sentence(words)}" if words else ""))
        if inspect.isclass(value) and module.__name__ == FRONT:
            lines += [f"    - {code(method)}{_tail(one)}" for method, one in _methods(value)]
    return "\n".join(lines)


def resolved(module: ModuleType, name: str) -> Any:
    """The value of a public name; of `kq.backtest`, a package that can be called, the function that it calls."""
    value = getattr(module, name)
    return value.backtest_frames if inspect.ismodule(value) else value


def _tail(value: Any) -> str:
    words = first_line(value)
    return f": {sentence(words)}" if words else ""


@cache
def constant_words(package: str) -> dict[str, str]:
    """The texts below the constants of a package, by the constant's name."""
    found: dict[str, str] = {}
    for file in sorted(Path(kronos_quant.__file__).parents[1].joinpath(*package.split(".")).rglob("*.py")):
        body = ast.parse(file.read_text(encoding="utf-8")).body
        for node, after in pairwise(body):
            text = after.value if isinstance(after, ast.Expr) else None
            if (
                isinstance(node, ast.Assign | ast.AnnAssign)
                and isinstance(text, ast.Constant)
                and isinstance(text.value, str)
            ):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for name in (each for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)):
                    found.setdefault(name.id, " ".join(text.value.split()))
    return found


def _methods(kind: type) -> list[tuple[str, Any]]:
    """The public methods and properties of a class, and of its base in the same package, with parameters' names."""
    found: list[tuple[str, Any]] = []
    for name, value in own_members(kind).items():
        if name.startswith("_") or not (inspect.isfunction(value) or isinstance(value, property | classmethod)):
            continue
        inner = value.__func__ if isinstance(value, classmethod) else value
        if inspect.isfunction(inner):
            parameters = [one for one in inspect.signature(inner).parameters if one not in ("self", "cls")]
            found.append((f"{name}({', '.join(parameters)})", inner))
        elif inner.__doc__:
            found.append((name, inner))
    return found


def own_members(kind: type) -> dict[str, Any]:
    """What a class defines, and its bases of the front door's package define for it."""
    bases = [base for base in reversed(kind.__mro__[1:]) if base.__module__.startswith(f"{FRONT}.workflows")]
    return {name: value for base in (*bases, kind) for name, value in vars(base).items()}


def first_line(value: Any) -> str:
    """The first sentence of a docstring; nothing for a plain value, whose docstring is its type's."""
    if not (
        inspect.ismodule(value) or inspect.isclass(value) or inspect.isroutine(value) or isinstance(value, property)
    ):
        return ""
    text = (inspect.getdoc(value) or "").partition("\n\n")[0]
    return " ".join(text.split())


def home(module: ModuleType, name: str) -> str:
    """Where a name is defined; nothing for a plain value."""
    value = resolved(module, name)
    where, own = getattr(value, "__module__", ""), getattr(value, "__qualname__", "")
    return f"{where}.{own}" if own and where.startswith(FRONT) else ""


def directive(module: ModuleType, name: str) -> str:
    """What the site generator turns into signature, parameters and docstring."""
    return f"::: {home(module, name)}"
