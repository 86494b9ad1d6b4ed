"""2.15: server groups know soft policies: those that a build rather breaks than fails."""

from kilonova.api.compute.changes.change import Asked, Change, Document, inside
from kilonova.errors import BadRequest
from kilonova.model.server_group import HARD_POLICIES, POLICIES


def hard_policies_only(document: Document) -> Document:
    policies = inside(document, "server_group").get("policies")
    if isinstance(policies, list) and any(policy in POLICIES and policy not in HARD_POLICIES for policy in policies):
        raise BadRequest(f"Invalid input for field/attribute policies. Value: {policies[:4]}. There are {list(HARD_POLICIES)}.")
    return document


CHANGE = Change(lift={Asked.SERVER_GROUP_CREATE: hard_policies_only})
