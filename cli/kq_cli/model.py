"""kq model."""

from typing import Annotated

import typer

import kronos_quant as kq
from kq_cli.options import AsJson
from kq_cli.printing import print_json, print_lines, print_records, print_report

app = typer.Typer(no_args_is_help=True, help="Example: kq model list\n\nModels of this workspace.")

Name = Annotated[str, typer.Argument(help="Name in models/, id of a training run, latest, or a folder.")]
Source = Annotated[str, typer.Argument(help="Folder of a pair, a predictor or a tokenizer, or a Hub id.")]
Tokenizer = Annotated[str | None, typer.Option("--tokenizer", help="Folder or Hub id; default: the model's own.")]
NewName = Annotated[str | None, typer.Option("--name", help="Name in models/; default: the last part of the source.")]
Revision = Annotated[str | None, typer.Option("--revision", help="Branch, tag or commit of a Hub id.")]


@app.command("list", short_help="List the models.")
def list_(as_json: AsJson = False) -> None:
    """Example: kq model list

    List the models in models/ and those trained here: kind, shape, parameters, digest and origin.
    """
    from kronos_quant.model.library import ModelLibrary

    models = ModelLibrary(kq.open().folder).entries()
    if as_json:
        print_json([model.as_dict() for model in models])
    else:
        print_records([model.row() for model in models])
        print_lines([] if models else ["no models: kq train trains one, kq model add copies one"])


@app.command(short_help="Check a model and copy it into models/.")
def add(
    source: Source,
    tokenizer: Tokenizer = None,
    name: NewName = None,
    revision: Revision = None,
    as_json: AsJson = False,
) -> None:
    """Example: kq model add ~/weights/Kronos-small --tokenizer ~/weights/Kronos-Tokenizer-base

    Check every weight of a model, then copy it into models/, completely or not at all. A Hub id is downloaded once;
    afterwards no network is needed.
    """
    from kronos_quant.model.adding import add_model
    from kronos_quant.model.library import ModelLibrary

    print_report(add_model(ModelLibrary(kq.open().folder), source, tokenizer, name, revision), as_json)


@app.command(short_help="Check a model and describe it.")
def show(name: Name = "latest", as_json: AsJson = False) -> None:
    """Example: kq model show latest

    Read and check a model, and print its sizes, digest, configuration and how it was trained.
    """
    from kronos_quant.model.library import ModelLibrary

    print_report(ModelLibrary(kq.open().folder).report(name), as_json)
