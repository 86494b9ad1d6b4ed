"""Bodies of the requests that compute once passed on to the network service. Keys that are not named here were ignored."""

from typing import Annotated

from msgspec import Meta, Struct

Text = Annotated[str, Meta(max_length=255)]


class GroupText(Struct):
    name: Text
    description: Text


class GroupBody(Struct):
    security_group: GroupText


class RuleFields(Struct, kw_only=True):
    parent_group_id: str
    group_id: str | None = None
    ip_protocol: str | int | None = None
    from_port: int | str | None = None
    to_port: int | str | None = None
    cidr: str | None = None


class RuleBody(Struct):
    security_group_rule: RuleFields


class FloatingIpWish(Struct):
    pool: str | None = None
