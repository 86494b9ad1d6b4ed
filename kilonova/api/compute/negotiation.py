"""Which microversion a client speaks: read from its headers, checked, and told back. Knows no shape."""

import re
from functools import lru_cache

from kilonova.api.call import Answer, Call
from kilonova.api.compute.changes import NEWEST, OLDEST
from kilonova.errors import BadRequest, NotAcceptable, NotFound

NEW_HEADER = "openstack-api-version"
OLD_HEADER = "x-openstack-nova-api-version"
WITHOUT_VERSIONS = "/compute/v2/"
"""Below this path nobody knows microversions, whatever a header says."""
VARY = "OpenStack-API-Version, X-OpenStack-Nova-API-Version"
_NUMBER = re.compile(r"([1-9]\d{0,8})\.([1-9]\d{0,8}|0)")


def negotiate(call: Call) -> None:
    """Sets `call.version`. Raises BadRequest for what is no version, NotAcceptable for one that is not spoken here."""
    if "\0" in call.url_path:
        raise NotFound()
    if call.query and any("\0" in value for values in call.query.values() for value in values):
        raise BadRequest("Invalid input: a query parameter holds a null character.")
    if call.url_path.startswith(WITHOUT_VERSIONS):
        call.version = OLDEST
        return
    call.version = _agreed(call.headers.get(NEW_HEADER), call.headers.get(OLD_HEADER))


def finish(call: Call, answer: Answer) -> None:
    """Every answer says which version it is in."""
    answer.headers["Vary"] = VARY
    major, minor = call.version
    if major:
        answer.headers["OpenStack-API-Version"] = f"compute {major}.{minor}"
        answer.headers["X-OpenStack-Nova-API-Version"] = f"{major}.{minor}"


@lru_cache(maxsize=512)
def _agreed(new: str | None, old: str | None) -> tuple[int, int]:
    wanted = _for_compute(new) or (old.strip() if old else None)
    if not wanted:
        return OLDEST
    if wanted == "latest":
        return NEWEST
    number = _NUMBER.fullmatch(wanted)
    if number is None:
        raise BadRequest(f"API Version String {wanted[:80]} is of invalid format. Must be of format MajorNum.MinorNum.")
    version = (int(number[1]), int(number[2]))
    if not OLDEST <= version <= NEWEST:
        least, most = (f"{major}.{minor}" for major, minor in (OLDEST, NEWEST))
        raise NotAcceptable(
            f"Version {wanted} is not supported by the API. Minimum is {least} and maximum is {most}.", "computeFault"
        )
    return version


def _for_compute(header: str | None) -> str | None:
    """One header may speak to several services: ``volume 3.5, compute 2.60``; the last word to us counts."""
    wanted = None
    for part in (header or "").split(","):
        service, _, version = part.strip().partition(" ")
        if service.lower() == "compute":
            wanted = version.strip() or None
    return wanted
