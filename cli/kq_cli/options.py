"""Options that several commands share."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script to read.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")]
Recipe = Annotated[str, typer.Option("--recipe", help="A recipe: its name in signals/ or its file.")]
Day = Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="A session; default: the newest.")]
Start = Annotated[datetime | None, typer.Option("--start", formats=["%Y-%m-%d"], help="First session of a range.")]
End = Annotated[datetime | None, typer.Option("--end", formats=["%Y-%m-%d"], help="Last session; default: the newest.")]
Exchange = Annotated[str | None, typer.Option("--exchange", help="XSHG, XNYS, XHKG, 24/7; default: from kq.yaml.")]
Gpus = Annotated[int | None, typer.Option("--gpus", min=0, help="How many; 0 is the CPU; default: what there is.")]
Folder = Annotated[Path, typer.Argument(help="Made if it is not there.")]
