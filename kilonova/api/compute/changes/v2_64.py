"""2.64: a server group has one policy, with rules; before, a list of one policy, and metadata that was always empty."""

from kilonova.api.compute.changes.change import Asked, Change, Document, Shown, inside, refuse
from kilonova.errors import BadRequest
from kilonova.model.server_group import ServerGroup


def policy_from_the_list(document: Document) -> Document:
    group = inside(document, "server_group")
    refuse(group, "policy", "rules")
    policies = group.pop("policies", None)
    if not isinstance(policies, list) or len(policies) != 1:
        raise BadRequest("Invalid input for field/attribute policies: it must be a list of exactly one policy.")
    group["policy"] = policies[0]
    return document


def policies_as_a_list(document: Document, about: ServerGroup) -> Document:
    kept = {name: value for name, value in document.items() if name not in ("policy", "rules")}
    return {**kept, "policies": [about.policy], "metadata": {}}


CHANGE = Change(
    lift={Asked.SERVER_GROUP_CREATE: policy_from_the_list},
    lower={Shown.SERVER_GROUP: policies_as_a_list},
)
