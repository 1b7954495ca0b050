"""kq model."""

from typing import Annotated

import typer

from kq_cli.options import AsJson
from kq_cli.printing import print_json, print_lines, print_records, print_report

app = typer.Typer(no_args_is_help=True, help="Example: kq model list\n\nThe models of this workspace.")

Name = Annotated[str, typer.Argument(help="In models/, the id of a training run, latest, or a folder.")]
Source = Annotated[str, typer.Argument(help="A folder (a pair, a predictor, a tokenizer), or a Hub id.")]
Tokenizer = Annotated[
    str | None, typer.Option("--tokenizer", help="Folder or Hub id; default: beside the predictor, or published.")
]
NewName = Annotated[str | None, typer.Option("--name", help="What to call it; default: the last part of the source.")]
Revision = Annotated[str | None, typer.Option("--revision", help="Of a Hub id; default: the pinned one, or newest.")]


@app.command("list", short_help="What models there are.")
def list_(as_json: AsJson = False) -> None:
    """Example: kq model list

    List the models in models/ and those that were trained here: kind, shape, parameters, digest, and where each came
    from.
    """
    from kronos_quant.workflows.models import list_models
    from kronos_quant.workspace import open_workspace_folder

    models = list_models(open_workspace_folder())
    if as_json:
        print_json([model.as_dict() for model in models])
    else:
        print_records([model.row() for model in models])
        print_lines([] if models else ["no models: kq train makes one, kq model add copies one"])


@app.command(short_help="Copy a model into models/, checked.")
def add(
    source: Source,
    tokenizer: Tokenizer = None,
    name: NewName = None,
    revision: Revision = None,
    as_json: AsJson = False,
) -> None:
    """Example: kq model add ~/weights/Kronos-small --tokenizer ~/weights/Kronos-Tokenizer-base

    Copy a model into models/, all of it or nothing, after every weight was read and found to fit. A Hub id is fetched
    once; from then on no network is asked.
    """
    from kronos_quant.workflows.models import add_model
    from kronos_quant.workspace import open_workspace_folder

    print_report(add_model(open_workspace_folder(), source, tokenizer, name, revision), as_json)


@app.command(short_help="Everything that is known of a model.")
def show(name: Name = "latest", as_json: AsJson = False) -> None:
    """Example: kq model show latest

    Read a model whole, check it, and print what it is: sizes, digest, configuration, and how it was trained.
    """
    from kronos_quant.workflows.models import show_model
    from kronos_quant.workspace import open_workspace_folder

    print_report(show_model(open_workspace_folder(), name), as_json)
