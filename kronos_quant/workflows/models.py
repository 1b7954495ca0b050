"""`kq model`: list, show and add the models of a workspace."""

from __future__ import annotations

from kronos_quant.inputs import PathLike
from kronos_quant.model.library import LATEST, ModelEntry, ModelLibrary, ModelReport
from kronos_quant.workspace import WorkspaceFolder


def list_models(workspace: WorkspaceFolder) -> list[ModelEntry]:
    """The models in models/, by name, then the trained ones, oldest first; weights are not read.

    A folder that is no model is listed as broken, with the reason.
    """
    return ModelLibrary(workspace).entries()


def show_model(workspace: WorkspaceFolder, name: PathLike = LATEST) -> ModelReport:
    """Read a model completely and report everything known of it.

    name : in models/, the id of a training run, `latest`, or a folder. Raises CheckpointError when it is missing,
    damaged, or does not fit; nothing is fetched.
    """
    return ModelLibrary(workspace).report(str(name))


def add_model(
    workspace: WorkspaceFolder,
    source: PathLike,
    tokenizer: PathLike | None = None,
    name: str | None = None,
    revision: str | None = None,
) -> ModelEntry:
    """Copy a model into models/, all of it or nothing; the parameters are those of `ModelLibrary.add`.

    Raises
    ------
    CheckpointError
        For a model that is missing, damaged or does not fit.
    ConfigError
        For a name that is taken.
    """
    partner = None if tokenizer is None else str(tokenizer)
    return ModelLibrary(workspace).add(str(source), partner, name, revision)
