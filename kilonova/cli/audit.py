"""`kilonova audit`: zero, or the list of what does not fit. Asks the API; compares nothing itself."""

import json
from pathlib import Path
from typing import Any

import click

from kilonova.cli.client import Client
from kilonova.cloud_folder import CloudFolder
from kilonova.settings import running


def show(data: Path, as_json: bool) -> int:
    """The exit code: 0 when everything fits, 1 when something was found. Raises NotFound, Unavailable."""
    settings = running(data)
    report: dict[str, Any] = Client(settings, CloudFolder(settings.data)).get("/internal/audit")
    if as_json:
        click.echo(json.dumps(report, indent=1))
    else:
        for line in lines(report):
            click.echo(line)
    return 1 if report["findings"] else 0


def lines(report: dict[str, Any]) -> list[str]:
    """For a person: one line a finding, and one that says what was looked at."""
    moving = f", {report['in_motion']} of them in motion and left out" if report["in_motion"] else ""
    looked = f"{len(report['findings'])} findings: {report['servers']} servers{moving}; {report['asked']} nodes answered."
    found = [
        f"{one['kind']}: {one['about']}{' on ' + one['host'] if one['host'] else ''}: {one['text']}" for one in report["findings"]
    ]
    return [*found, looked]
