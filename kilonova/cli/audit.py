"""`kilonova audit`: zero, or the list of what does not fit; with `--repair` what was done about it. Compares nothing itself."""

import json
import threading
from pathlib import Path
from typing import Any

import click

from kilonova.cli.client import Client
from kilonova.cloud_folder import CloudFolder
from kilonova.settings import running

REPAIR_LIMIT_S = 300
SAY_EVERY_S = 5.0


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


def repair(data: Path, as_json: bool, unknown: bool) -> int:
    """The exit code: 0 when everything fits afterwards, 1 when something is left. Raises NotFound, Unavailable."""
    settings = running(data)
    client = Client(settings, CloudFolder(settings.data))
    found = client.get("/internal/audit")["findings"]
    click.echo(f"{len(found)} findings; mending …" if found else "Nothing to mend is seen; looking again …", err=True)
    over = threading.Event()
    teller = threading.Thread(target=_tell, args=(over,), daemon=True)
    teller.start()
    try:
        report = client.post(f"/internal/audit/repair{'?unknown=yes' if unknown else ''}", REPAIR_LIMIT_S)
    finally:
        over.set()
        teller.join()
    for line in [json.dumps(report, indent=1)] if as_json else repair_lines(report):
        click.echo(line)
    return 1 if report["after"]["findings"] else 0


def lines(report: dict[str, Any]) -> list[str]:
    """For a person: one line a finding, and one that says what was looked at."""
    moving = f", {report['in_motion']} of them in motion and left out" if report["in_motion"] else ""
    looked = f"{len(report['findings'])} findings: {report['servers']} servers{moving}; {report['asked']} nodes answered."
    found = [f"{_name(one)}: {one['text']}" for one in report["findings"]]
    return [*found, looked]


def repair_lines(report: dict[str, Any]) -> list[str]:
    """For a person: one line for each finding that was in hand, then what is left."""
    done = [f"{'mended' if one['done'] else 'left'}: {_name(one)}: {one['text']}" for one in report["mended"]]
    return [*done, *(f"still there: {line}" for line in lines(report["after"])[:-1]), lines(report["after"])[-1]]


def _name(one: dict[str, Any]) -> str:
    return f"{one['kind']}: {one['about']}{' on ' + one['host'] if one['host'] else ''}"


def _tell(over: threading.Event) -> None:
    waited = 0.0
    while not over.wait(SAY_EVERY_S):
        waited += SAY_EVERY_S
        click.echo(f"… {waited:.0f} s: waiting until nodes have done it", err=True)
