"""The version documents: what a client reads before it speaks. No token is needed."""

from kilonova.api.call import Answer, Call
from kilonova.api.compute.changes import NEWEST, OLDEST
from kilonova.api.compute.changes.change import Document

MEDIA_TYPE = {"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}
OLD_MEDIA_TYPE = {"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2"}


async def root(call: Call) -> Answer:
    """All major versions, the oldest first, as old clients expect."""
    return Answer(200, {"versions": [_version_2_0(call), _version(call)]})


async def v2_0(call: Call) -> Answer:
    return Answer(200, {"version": {**_version_2_0(call), "media-types": [OLD_MEDIA_TYPE]}})


async def v2_1(call: Call) -> Answer:
    return Answer(200, {"version": {**_version(call), "media-types": [MEDIA_TYPE]}})


def _version_2_0(call: Call) -> Document:
    """2.1 by an older name, for clients that know no microversions."""
    return {
        "id": "v2.0",
        "status": "SUPPORTED",
        "version": "",
        "min_version": "",
        "updated": "2011-01-21T11:33:21Z",
        "links": [{"rel": "self", "href": f"{call.world.public_url}/compute/v2/"}],
    }


def _version(call: Call) -> Document:
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": f"{NEWEST[0]}.{NEWEST[1]}",
        "min_version": f"{OLDEST[0]}.{OLDEST[1]}",
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": f"{call.world.public_url}/compute/v2.1/"}],
    }
