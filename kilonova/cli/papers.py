"""What a cloud writes down for its roles and its people before it can start: credentials, openrc, the broker's configuration."""

import secrets
from collections.abc import Mapping
from datetime import timedelta

from kilonova import app
from kilonova.bus import nats_server
from kilonova.bus.credentials import Authority
from kilonova.cli.credential import write_private
from kilonova.cloud_folder import CloudFolder
from kilonova.settings import Settings

LONG = timedelta(days=365)


def broker(folder: CloudFolder) -> tuple[list[str], Mapping[str, str]]:
    """The command and environment of the broker; its address is written where the roles look for it."""
    config = nats_server.write_config(folder.nats, Authority.open(folder.authority), nats_server.Listen())
    port = nats_server.chosen_port(folder.nats, nats_server.Listen())
    write_private(folder.nats_url, f"nats://127.0.0.1:{port}\n")
    return nats_server.command(config), nats_server.environment()


def write(settings: Settings, folder: CloudFolder) -> None:
    """What nodes need to speak, and what a person needs to log in. A password is made once and kept."""
    authority = Authority.open(folder.authority)
    compute, network = app.compute_node_name(settings), app.network_node_name(settings)
    write_private(folder.credential("control"), authority.mint_control())
    write_private(folder.credential(compute), authority.mint_node(compute, app.host_names(settings), "compute", LONG))
    write_private(folder.credential(network), authority.mint_node(network, [], "network", LONG))
    volume = app.volume_node_name(settings)
    write_private(folder.credential(volume), authority.mint_node(volume, [], "volume", LONG))
    if not folder.admin_password.exists():
        write_private(folder.admin_password, secrets.token_urlsafe(18))
    password = folder.admin_password.read_text().strip()
    write_private(settings.data / "openrc", _openrc(settings, password))
    write_private(settings.data / "clouds.yaml", _clouds_yaml(settings, password))


def _openrc(settings: Settings, password: str) -> str:
    lines = {
        "OS_AUTH_URL": f"{settings.url}/identity/v3",
        "OS_USERNAME": "admin",
        "OS_PASSWORD": password,
        "OS_PROJECT_NAME": "admin",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_REGION_NAME": settings.region,
        "OS_IDENTITY_API_VERSION": "3",
    }
    return "".join(f"export {name}='{value}'\n" for name, value in lines.items())


def _clouds_yaml(settings: Settings, password: str) -> str:
    return f"""clouds:
  kilonova:
    region_name: {settings.region}
    identity_api_version: 3
    auth:
      auth_url: {settings.url}/identity/v3
      username: admin
      password: {password}
      project_name: admin
      user_domain_name: Default
      project_domain_name: Default
"""
