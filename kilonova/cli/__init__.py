"""kilonova on the command line. Each verb imports what it needs when it is called, so that ``--help`` is quick."""

from pathlib import Path
from typing import Any

import click

from kilonova import __version__
from kilonova.errors import KilonovaError


class Verbs(click.Group):
    """A domain error is one clear line, not a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KilonovaError as error:
            raise click.ClickException(str(error)) from error


DATA = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=".data",
    show_default=True,
    envvar="KILONOVA_DATA",
    help="The folder everything of this cloud is in.",
)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="kilonova")
def main() -> None:
    """OpenStack Compute as one small program."""


@main.command()
@DATA
@click.option("--listen", metavar="HOST:PORT", help="Where the API listens.  [default: 127.0.0.1:8774]")
@click.option("--hypervisor", type=click.Choice(["qemu", "simulated"]), help="Real guests, or none at all.  [default: qemu]")
@click.option("--simulated-hosts", type=click.IntRange(1, 10_000), metavar="N", help="How many simulated hosts.  [default: 1]")
@click.option("--keep-guests", is_flag=True, help="Guests go on when this ends; the next `up` takes them back.")
@click.option("--image", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Register this image for everybody.")
def up(
    data: Path, listen: str | None, hypervisor: str | None, simulated_hosts: int | None, keep_guests: bool, image: Path | None
) -> None:
    """Start a whole cloud on this machine, and keep it running until Ctrl-C."""
    from kilonova.cli.up import run_cloud
    from kilonova.settings import load

    settings = load(
        data, listen=listen, hypervisor=hypervisor, simulated_hosts=simulated_hosts, end_guests=False if keep_guests else None
    )
    raise SystemExit(run_cloud(settings, keep_guests=keep_guests, image=image))


def _role(name: str, help_text: str) -> None:
    @main.command(name, help=help_text)
    @DATA
    def role(data: Path) -> None:
        from kilonova.app import run_role
        from kilonova.logs import log_as_json
        from kilonova.settings import load

        settings = load(data)
        log_as_json(settings.log_level, name)
        run_role(name, settings)


@main.command()
@DATA
@click.option("--keep-loaded", is_flag=True, help="One that is killed goes on at once from what another process has loaded.")
def control(data: Path, keep_loaded: bool) -> None:
    """Run the control role: the API, the scheduler, the ledger. A fleet runs it on its own."""
    from kilonova.app import load_control, run_role
    from kilonova.cli.keeper import Keeper
    from kilonova.cloud_folder import CloudFolder
    from kilonova.logs import log_as_json
    from kilonova.settings import load

    settings = load(data)
    log_as_json(settings.log_level, "control")
    if not keep_loaded:
        run_role("control", settings)
        return
    load_control()
    raise SystemExit(Keeper("control", lambda: run_role("control", settings), CloudFolder(data).run / "control.pid").keep())


_role("compute", "Run the compute role: the guests of this host.")
_role("network", "Run the network role: bridges, DHCP, metadata and the way out.")
_role("volume", "Run the volume role: the bytes of volumes, served to guests wherever they are.")


@main.command()
@click.option(
    "--cache", type=click.Path(file_okay=False, path_type=Path), help="Where the guest image is kept for the next time."
)
def demo(cache: Path | None) -> None:
    """Show it all: a cloud, a real server in it built with the stock client, its nine steps; then clean up."""
    from kilonova.cli.demo import perform

    raise SystemExit(perform(cache))


@main.command()
@DATA
def doctor(data: Path) -> None:
    """Say what this machine can do, and what is used instead of what it cannot."""
    from kilonova.cli.doctor import examine
    from kilonova.settings import load

    raise SystemExit(examine(load(data)))


@main.command()
@DATA
@click.argument("server")
@click.option("--request-id", metavar="ID", help="Another action than the newest.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def trace(data: Path, server: str, request_id: str | None, as_json: bool) -> None:
    """Draw the nine steps of SERVER (name or id): where, how long queued, how long worked on, how it ended."""
    from kilonova.cli.trace import show

    show(data, server, request_id, as_json)


@main.command()
@DATA
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--repair", "mend", is_flag=True, help="Mend what can be mended without a doubt, by the ordinary undo steps.")
@click.option("--unknown", is_flag=True, help="With --repair: take away also what the ledger never heard of. Mind its age.")
def audit(data: Path, as_json: bool, mend: bool, unknown: bool) -> None:
    """Compare what the ledger says with what every node has; prints zero findings, or the list, and then exits with 1."""
    from kilonova.cli.audit import repair, show

    if unknown and not mend:
        raise click.UsageError("--unknown says what --repair may take away.")
    raise SystemExit(repair(data, as_json, unknown) if mend else show(data, as_json))


@main.command(context_settings={"ignore_unknown_options": True})
@DATA
@click.option("-i", "identity", type=click.Path(exists=True, dir_okay=False), help="The private key.")
@click.option("-l", "login", default="root", show_default=True, help="The user in the guest.")
@click.argument("server")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def ssh(data: Path, identity: str | None, login: str, server: str, command: tuple[str, ...]) -> None:
    """Log in to SERVER (name or id), or run COMMAND there, by whatever way this cloud reaches its guests."""
    from kilonova.cli.ssh import log_in

    raise SystemExit(log_in(data, server, identity, login, command))


@main.command()
@DATA
def clean(data: Path) -> None:
    """End whatever a cloud that is no longer running has left on this machine: guests, networks, processes."""
    from kilonova.cli.up import clean_up
    from kilonova.settings import running

    raise SystemExit(clean_up(running(data)))


@main.command()
@click.option("--seed", "--seeds", "seeds", metavar="N|A..B", default="1", show_default=True, help="One seed, or from A to B.")
@click.option(
    "--operations", type=click.IntRange(1, 100_000), default=100, show_default=True, help="What clients do, for each seed."
)
@click.option("--only", metavar="N,N,…", default="", help="Only the operations of these numbers.")
@click.option("--without", multiple=True, metavar="KIND", help="Without this kind of fault; several times for several.")
@click.option("--do", multiple=True, metavar="KIND", help="Clients do only this, `create` say; several times for several.")
@click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True, help="How many processes.")
@click.option("--shrink/--no-shrink", default=True, help="Look for the smallest case that still fails.  [default: shrink]")
@click.option(
    "--shrink-within", type=float, default=120.0, show_default=True, metavar="S", help="Seconds spent on that for a seed."
)
@click.option(
    "--events", type=click.IntRange(0, 1_000_000), default=60, show_default=True, help="How many of the last events to print."
)
def sim(**words: Any) -> None:
    """Simulate whole clouds, everything that goes wrong in them decided by a seed; exits with 1 when a promise is not kept."""
    from kilonova.cli.sim import run, wanted, with_one_hash_seed

    with_one_hash_seed()
    raise SystemExit(run(wanted(**words)))


@main.command()
@DATA
@click.argument("node")
@click.option("--role", type=click.Choice(["compute", "network", "volume"]), required=True)
@click.option("--host", "hosts", multiple=True, help="A host the node serves; several times for several.  [default: NODE]")
@click.option("--days", type=click.IntRange(1, 365), default=30, show_default=True, help="How long it is good.")
def credential(data: Path, node: str, role: str, hosts: tuple[str, ...], days: int) -> None:
    """Mint what NODE needs to speak on the bus: it can read its own queue and nothing else."""
    from kilonova.cli.credential import mint

    click.echo(mint(data, node, role, hosts or (node,), days))


if __name__ == "__main__":
    main()
