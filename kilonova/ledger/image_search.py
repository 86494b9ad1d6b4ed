"""An ImageQuestion as SQL: who sees what, and the filters that are not a plain comparison. Runs nothing."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, not_, or_, select

from kilonova.ledger.image_tables import image_members, image_properties, image_tags, images
from kilonova.model.images import ImageQuestion, Moment

_SHARED = images.c.visibility == "shared"
_COMMUNITY = images.c.visibility == "community"


def image_query(wanted: ImageQuestion) -> Select[Any]:
    """The rows that `wanted.viewer` may see in this list, before `wanted.where` and the page."""
    query = select(images).where(images.c.deleted_at.is_(None), _seen(wanted))
    if wanted.visibility not in (None, "all"):
        query = query.where(images.c.visibility == wanted.visibility)
    if wanted.size_min is not None:
        query = query.where(images.c.size >= wanted.size_min)
    if wanted.size_max is not None:
        query = query.where(images.c.size <= wanted.size_max)
    for tag in wanted.tags:
        query = query.where(images.c.id.in_(select(image_tags.c.image_id).where(image_tags.c.tag == tag)))
    for name, value in wanted.properties.items():
        has = select(image_properties.c.image_id).where(image_properties.c.name == name, image_properties.c.value == value)
        query = query.where(images.c.id.in_(has))
    return query.where(*(_bound(moment) for moment in wanted.moments))


def _seen(wanted: ImageQuestion) -> ColumnElement[bool]:
    """One's own, the public ones, and the accepted; the community's only when asked for; admins see all of these of everybody."""
    own = images.c.owner == wanted.viewer.project_id
    if wanted.viewer.is_admin:
        seen = or_(own, not_(_COMMUNITY))
        if wanted.visibility == "shared" and wanted.member_status != "accepted":
            seen = or_(own, _shared_with(wanted))
    else:
        seen = or_(own, images.c.visibility == "public", _shared_with(wanted))
    return or_(seen, _COMMUNITY) if wanted.visibility in ("community", "all") else seen


def _shared_with(wanted: ImageQuestion) -> ColumnElement[bool]:
    mine = select(image_members.c.image_id).where(image_members.c.member_id == wanted.viewer.project_id)
    if wanted.member_status != "all":
        mine = mine.where(image_members.c.status == wanted.member_status)
    return and_(_SHARED, images.c.id.in_(mine))


def _bound(moment: Moment) -> ColumnElement[bool]:
    """Times are kept finer than the second that clients see and compare with."""
    column, start, end = images.c[moment.field], float(moment.at), float(moment.at + 1)
    within = and_(column >= start, column < end)
    bounds: dict[str, ColumnElement[bool]] = {
        "gt": column >= end,
        "gte": column >= start,
        "lt": column < start,
        "lte": column < end,
        "eq": within,
        "neq": not_(within),
    }
    return bounds[moment.comparison]
