"""The version documents: what clients read before anything else. No token, no ledger."""

from kilonova.api.call import Answer, Call
from kilonova.api.identity.views import View, base


async def list_versions(call: Call) -> Answer:
    """300, as Keystone answers: there are choices, although here there is one."""
    return Answer(300, {"versions": {"values": [_version(call)]}})


async def show_version(call: Call) -> Answer:
    return Answer(200, {"version": _version(call)})


def _version(call: Call) -> View:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{base(call)}/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }
