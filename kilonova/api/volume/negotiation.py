"""Which microversion a client speaks: read from its header, checked, and told back. Knows no shape."""

import re
from functools import lru_cache

from kilonova.api.call import Answer, Call
from kilonova.errors import BadRequest, NotAcceptable

OLDEST, NEWEST = (3, 0), (3, 71)
HEADER = "openstack-api-version"
_NUMBER = re.compile(r"([1-9]\d{0,8})\.([1-9]\d{0,8}|0)")


def negotiate(call: Call) -> None:
    """Sets `call.version`. Raises BadRequest for what is no version, NotAcceptable for one that is not spoken here."""
    call.version = _agreed(call.headers.get(HEADER))


def finish(call: Call, answer: Answer) -> None:
    """Every answer says which version it is in."""
    answer.headers["Vary"] = "OpenStack-API-Version"
    answer.headers["x-compute-request-id"] = call.request_id
    major, minor = call.version
    if major:
        answer.headers["OpenStack-API-Version"] = f"volume {major}.{minor}"


@lru_cache(maxsize=512)
def _agreed(header: str | None) -> tuple[int, int]:
    wanted = _for_volume(header)
    if wanted is None:
        return OLDEST
    if wanted == "latest":
        return NEWEST
    number = _NUMBER.fullmatch(wanted)
    if number is None:
        raise BadRequest(f"API Version String {wanted[:80]} is of invalid format. Must be of format MajorNum.MinorNum.")
    version = (int(number[1]), int(number[2]))
    if not OLDEST <= version <= NEWEST:
        least, most = (f"{major}.{minor}" for major, minor in (OLDEST, NEWEST))
        raise NotAcceptable(f"Version {wanted} is not supported by the API. Minimum is {least} and maximum is {most}.")
    return version


def _for_volume(header: str | None) -> str | None:
    """``volume 3.59`` among those of other services."""
    for part in (header or "").split(","):
        service, _, version = part.strip().partition(" ")
        if service in ("volume", "block-storage", "volumev3") and version.strip():
            return version.strip()
    return None
