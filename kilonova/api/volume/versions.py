"""The version documents: what a client reads before it speaks. No token is needed."""

from kilonova.api.call import Answer, Call
from kilonova.api.volume.negotiation import NEWEST, OLDEST


async def root(call: Call) -> Answer:
    """All major versions, with 300 as Cinder answers."""
    return Answer(300, {"versions": [_version(call)]})


async def v3(call: Call) -> Answer:
    return Answer(200, {"versions": [_version(call)]})


def _version(call: Call) -> dict[str, object]:
    return {
        "id": "v3.0",
        "status": "CURRENT",
        "version": f"{NEWEST[0]}.{NEWEST[1]}",
        "min_version": f"{OLDEST[0]}.{OLDEST[1]}",
        "updated": "2023-08-31T00:00:00Z",
        "links": [
            {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
            {"rel": "self", "href": f"{call.world.public_url}/volume/v3/"},
        ],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}],
    }
