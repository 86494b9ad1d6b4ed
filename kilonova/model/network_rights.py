"""Who may do what to whose network thing, beyond the role a route asks for. Decides by the caller alone; looks nothing up."""

from kilonova.errors import BadRequest, Forbidden
from kilonova.model.caller import Caller


def owner(wanted: str, caller: Caller) -> str:
    """The project a new thing belongs to: the caller's, or the one an admin names."""
    project_id = wanted or caller.project_id
    if not project_id:
        raise BadRequest("Invalid input for project_id. Reason: the token is not scoped to a project, so one must be named.")
    refuse_stranger(project_id, caller)
    return project_id


def refuse_stranger(project_id: str, caller: Caller) -> None:
    """What belongs to a project is changed by that project and by admins."""
    if not caller.is_admin and project_id != caller.project_id:
        raise Forbidden("The resource belongs to another project; it is disallowed by policy.", kind="PolicyNotAuthorized")


def admin_only(caller: Caller, attribute: str) -> None:
    """Some attributes are set by admins only."""
    if not caller.is_admin:
        raise Forbidden(f"Setting {attribute} is disallowed by policy.", kind="PolicyNotAuthorized")


def network_owner_only(project_id: str, caller: Caller, attribute: str) -> None:
    """Some attributes of a port are set by the network's owner only, not by a guest on a shared network."""
    if not caller.is_admin and project_id != caller.project_id:
        raise Forbidden(f"Setting {attribute} on another project's network is disallowed by policy.", kind="PolicyNotAuthorized")
