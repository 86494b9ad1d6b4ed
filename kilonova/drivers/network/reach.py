"""From where on this machine a guest can be reached, read off what the network node has written down. Changes nothing."""

from pathlib import Path

from msgspec import Struct

from kilonova.drivers.network.store import Store
from kilonova.drivers.network.user import reserved_ports
from kilonova.model.ids import ServerId


class Reach(Struct, frozen=True, kw_only=True):
    """Where to knock: in `namespace` where that is not empty."""

    address: str
    port: int
    namespace: str = ""


def reach(home: Path, server_id: ServerId) -> Reach | None:
    """The guest's ssh, as the first of its ports leads to it; None when it has none here. `home`: the network node's folder."""
    for port in reserved_ports(home / "ports.json").get(server_id, {}).values():
        return Reach(address="127.0.0.1", port=port)
    if not (home / "servers").is_dir():
        return None
    store = Store(home)
    known = store.server(server_id)
    places = store.networks()
    for one in known.ports if known else ():
        if one.addresses and one.network_id in places:
            return Reach(address=one.addresses[0].ip, port=22, namespace=places[one.network_id].namespace)
    return None
