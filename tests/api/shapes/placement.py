"""What Placement answers, route by route; it is read-only here. A route that is not here answers with no body."""

from tests.api.shapes.notation import UUID, Map, OneOf, Shape, Text, maybe
from tests.api.shapes.tables import Answers


def error(status: int) -> Shape:
    """Placement's: a list of them, as the API working group has it; with a code since 1.23, and when no version is agreed on."""
    code = "code?" if status == 406 else "code@1.23"
    one = {"status": status, "title": str, "detail": str, "request_id": str, code: str}
    return {"errors": [one | {"min_version?": str, "max_version?": str}]}


OWN_LINKS = [{"rel": str, "href": Text(r"/.*")}]
VERSION = {"id": "v1.0", "min_version": "1.0", "max_version": str, "status": "CURRENT", "links": [{"rel": "self", "href": ""}]}
PROVIDER = {
    "uuid": UUID,
    "name": str,
    "generation": int,
    "links": OWN_LINKS,
    "parent_provider_uuid@1.14": maybe(UUID),
    "root_provider_uuid@1.14": UUID,
}
INVENTORY = {"total": int, "reserved": int, "min_unit": int, "max_unit": int, "step_size": int, "allocation_ratio": float}
GENERATION = {"resource_provider_generation": int}
CLASS = r"[A-Z0-9_]+"
AMOUNTS = Map(int, name=CLASS)
CLASS_SHOWN = {"name": Text(CLASS), "links": OWN_LINKS}
BY_PROVIDER = Map({"resources": AMOUNTS}, name=UUID.pattern)
BY_PROVIDER_OLD = [{"resource_provider": {"uuid": UUID}, "resources": AMOUNTS}]
REQUEST = OneOf(
    {"allocations@1.12": BY_PROVIDER, "mappings@1.34": Map([UUID])},
    {"allocations@-1.11": BY_PROVIDER_OLD},
)
SUMMARY = {
    "resources": Map({"capacity": int, "used": int}, name=CLASS),
    "traits@1.17": [Text(CLASS)],
    "parent_provider_uuid@1.29": maybe(UUID),
    "root_provider_uuid@1.29": UUID,
}
OF_CONSUMER = {
    "allocations": Map({"generation": int, "resources": AMOUNTS}, name=UUID.pattern),
    "project_id@1.12?": str,
    "user_id@1.12?": str,
    "consumer_generation@1.28?": int,
    "consumer_type@1.38?": str,
}

SHAPES: Answers = {
    "GET /": {200: {"versions": [VERSION]}},
    "GET /resource_providers": {200: {"resource_providers": [PROVIDER]}},
    "GET /resource_providers/{uuid}": {200: PROVIDER},
    "GET /resource_providers/{uuid}/inventories": {200: GENERATION | {"inventories": Map(INVENTORY, name=CLASS)}},
    "GET /resource_providers/{uuid}/inventories/{resource_class}": {200: GENERATION | INVENTORY},
    "GET /resource_providers/{uuid}/usages": {200: GENERATION | {"usages": AMOUNTS}},
    "GET /resource_providers/{uuid}/aggregates": {200: {"aggregates": [UUID], "resource_provider_generation@1.19": int}},
    "GET /resource_providers/{uuid}/traits": {200: GENERATION | {"traits": [Text(CLASS)]}},
    "GET /resource_providers/{uuid}/allocations": {
        200: GENERATION | {"allocations": Map({"resources": AMOUNTS, "consumer_generation@1.28": int}, name=UUID.pattern)},
    },
    "GET /allocations/{consumer}": {200: OF_CONSUMER},
    "GET /usages": {200: {"usages": OneOf(AMOUNTS, Map(Map(int)))}},
    "GET /allocation_candidates": {
        200: {"allocation_requests": [REQUEST], "provider_summaries": Map(SUMMARY, name=UUID.pattern)},
    },
    "GET /resource_classes": {200: {"resource_classes": [CLASS_SHOWN]}},
    "GET /resource_classes/{name}": {200: CLASS_SHOWN},
    "GET /traits": {200: {"traits": [Text(CLASS)]}},
}
