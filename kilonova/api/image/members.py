"""Members: the projects an image is shared with. Only the owner adds and removes them, only a member says yes or no."""

from collections.abc import Sequence

import msgspec

from kilonova.api.call import Answer, Call
from kilonova.api.image.access import image_id_of, viewer_of
from kilonova.api.image.properties import text_problem
from kilonova.api.image.views import member_view, members_view
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Conflict, Forbidden, NotFound, TooLarge
from kilonova.model.ids import ImageId
from kilonova.model.images import Image, Member, MemberStatus, Viewer, Visibility, check_owner

MOST_MEMBERS = 128
MOST_ID = 64


class _NewMember(msgspec.Struct, forbid_unknown_fields=True):
    member: str


class _NewStatus(msgspec.Struct):
    status: MemberStatus


async def list_members(call: Call) -> Answer:
    """GET /v2/images/{image_id}/members: all for the owner, oneself for a member."""
    image_id, viewer = image_id_of(call), viewer_of(call)
    return Answer(200, members_view(await call.world.ledger.read(lambda books: _seen(books, image_id, viewer))))


async def show_member(call: Call) -> Answer:
    """GET /v2/images/{image_id}/members/{member_id}"""
    image_id, viewer, member_id = image_id_of(call), viewer_of(call), call.path["member_id"]
    members = await call.world.ledger.read(lambda books: _seen(books, image_id, viewer))
    return Answer(200, member_view(_one(members, member_id)))


async def add_member(call: Call) -> Answer:
    """POST /v2/images/{image_id}/members"""
    wanted = call.json(_NewMember).member
    if not 0 < len(wanted) <= MOST_ID or text_problem(wanted):
        raise BadRequest(f"Invalid input: member must be the id of a project, of {MOST_ID} characters at most.")
    image_id, viewer, now = image_id_of(call), viewer_of(call), call.world.now()

    def add(books: Books) -> Member:
        image = books.images.get(image_id, viewer)
        check_owner(image, viewer)
        _check_shared(image)
        members = books.images.members(image_id)
        if any(member.member_id == wanted for member in members):
            raise Conflict(f"Project {wanted} is already associated with image {image_id}.")
        if len(members) >= MOST_MEMBERS:
            raise TooLarge(f"The limit of {MOST_MEMBERS} members has been exceeded.")
        member = Member(image_id=ImageId(image_id), member_id=wanted, created_at=now, updated_at=now)
        books.images.set_member(member)
        return member

    return Answer(200, member_view(await call.world.ledger.write(add)))


async def update_member(call: Call) -> Answer:
    """PUT /v2/images/{image_id}/members/{member_id}: by the member itself, or an admin."""
    status = call.json(_NewStatus).status
    image_id, viewer, member_id, now = image_id_of(call), viewer_of(call), call.path["member_id"], call.world.now()

    def change(books: Books) -> Member:
        old = _one(_seen(books, image_id, viewer), member_id)
        if not viewer.is_admin and viewer.project_id != member_id:
            raise Forbidden("Only the member itself may change its status.")
        member = msgspec.structs.replace(old, status=status, updated_at=now)
        books.images.set_member(member)
        return member

    return Answer(200, member_view(await call.world.ledger.write(change)))


async def remove_member(call: Call) -> Answer:
    """DELETE /v2/images/{image_id}/members/{member_id}"""
    image_id, viewer, member_id = image_id_of(call), viewer_of(call), call.path["member_id"]

    def remove(books: Books) -> None:
        image = books.images.get(image_id, viewer)
        check_owner(image, viewer)
        _check_shared(image)
        if text_problem(member_id) or not books.images.remove_member(image_id, member_id):
            raise _no_member()

    await call.world.ledger.write(remove)
    return Answer(204)


def _seen(books: Books, image_id: str, viewer: Viewer) -> Sequence[Member]:
    image = books.images.get(image_id, viewer)
    _check_shared(image)
    members = books.images.members(image_id)
    if viewer.is_admin or image.owner == viewer.project_id:
        return members
    return [member for member in members if member.member_id == viewer.project_id]


def _check_shared(image: Image) -> None:
    if image.visibility is not Visibility.SHARED:
        raise Forbidden("Only shared images have members.")


def _one(members: Sequence[Member], member_id: str) -> Member:
    for member in members:
        if member.member_id == member_id:
            return member
    raise _no_member()


def _no_member() -> NotFound:
    return NotFound("The image has no such member.")
