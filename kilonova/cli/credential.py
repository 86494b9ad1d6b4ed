"""Credentials for nodes, minted where the operator's key is. Reads and writes files only."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from kilonova.bus.credentials import Authority
from kilonova.cloud_folder import CloudFolder
from kilonova.errors import BadRequest
from kilonova.model.ids import HostName, NodeName


def mint(data: Path, node: str, role: str, hosts: Sequence[str], days: int) -> str:
    """The credential's text. Raises BadRequest for an unknown role."""
    authority = Authority.open(CloudFolder(data.absolute()).authority)
    served = [HostName(host) for host in hosts]
    if role == "compute":
        return authority.mint_node(NodeName(node), served, "compute", timedelta(days=days))
    if role == "network":
        return authority.mint_node(NodeName(node), [], "network", timedelta(days=days))
    if role == "volume":
        return authority.mint_node(NodeName(node), [], "volume", timedelta(days=days))
    raise BadRequest(f"There is no role {role}.")


def write_private(file: Path, text: str) -> None:
    """Readable by its owner alone from the first byte on."""
    half = file.with_name(f".{file.name}.new")
    half.unlink(missing_ok=True)
    half.touch(mode=0o600)
    half.write_text(text)
    half.replace(file)
