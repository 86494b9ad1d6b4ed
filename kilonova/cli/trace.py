"""`kilonova trace SERVER`: the nine steps of a build as a table. Asks the API; decides nothing."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import msgspec
from rich.console import Console
from rich.table import Table

from kilonova.cli.client import Client
from kilonova.cloud_folder import CloudFolder
from kilonova.errors import NotFound
from kilonova.settings import running
from kilonova.trace.timeline import Line, timeline, total_ms

_COLOUR = {"done": "green", "failed": "red", "waiting": "yellow", "-": "bright_black"}


def show(data: Path, server: str, request_id: str | None, as_json: bool) -> None:
    """Raises NotFound, Unavailable."""
    settings = running(data)
    client = Client(settings, CloudFolder(settings.data))
    found = client.get(f"/internal/traces/{_id_of(client, server)}" + (f"?request_id={quote(request_id)}" if request_id else ""))
    lines = timeline(found["hops"])
    if as_json:
        steps = [msgspec.to_builtins(line) for line in lines]
        total = round(total_ms(found["hops"]), 3)
        click.echo(
            json.dumps({**{k: found[k] for k in ("server", "action", "request_id")}, "total_ms": total, "steps": steps}, indent=1)
        )
        return
    _draw(found, lines)


def _id_of(client: Client, server: str) -> str:
    """A name becomes an id; an id of a server that is gone stays what it is: its trace is still there."""
    try:
        return str(client.server(server)["id"])
    except NotFound:
        if len(server) == 36:
            return server
        raise


def _draw(found: dict[str, Any], lines: list[Line]) -> None:
    console = Console()
    server = found["server"]
    console.print(
        f"[bold]{server['name']}[/] {server['id']}  {found['action']}  [bold]{server['status']}[/]  {found['request_id']}"
    )
    table = Table(box=None, padding=(0, 1))
    for name, side in (
        ("", "right"),
        ("step", "left"),
        ("where", "left"),
        ("at", "right"),
        ("queued", "right"),
        ("work", "right"),
    ):
        table.add_column(name, justify=side)  # type: ignore[arg-type]
    table.add_column("outcome")
    for line in lines:
        colour = _COLOUR.get(line.outcome, "yellow")
        at = "" if line.started_ms is None else f"{line.started_ms:.1f}"
        queued = f"{line.queued_ms:.1f}" if line.queued_ms else ""
        work = f"{line.work_ms:.1f}" if line.hops else ""
        table.add_row(str(line.step), line.what, line.where, at, queued, work, f"[{colour}]{line.outcome}[/]")
    console.print(table)
    console.print(f"total {total_ms(found['hops']):.1f} ms (times in ms)")
    for line in lines:
        if line.detail:
            console.print(f"[red]step {line.step} failed:[/] {line.detail}")
    if server.get("reason"):
        console.print(f"reason: {server['reason']}")
