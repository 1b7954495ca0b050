"""kq init."""

import shlex
from pathlib import Path

import typer

from kq_cli.options import Folder


def init(folder: Folder = Path()) -> None:
    """Example: kq init my-research

    Create a workspace: kq.yaml, signals/, strategies/, db/. Existing files are kept.
    """
    from kronos_quant.workspace import init_workspace

    written = init_workspace(folder)
    typer.echo(f"workspace {folder.resolve()}: {len(written)} files written")
    if folder.resolve() != Path.cwd():
        typer.echo(f"Next: cd {shlex.quote(str(folder))}")
    typer.echo("Next: kq ingest qlib, kq ingest csv FILE, or kq ingest synthetic")
