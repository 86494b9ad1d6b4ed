"""Security groups and their rules, as rows. Who enforces them on packets is the network node's business, not this file's."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy import ColumnElement, Connection, Row, delete, insert, or_, select, update

from kilonova.errors import BadRequest, Conflict, NotFound
from kilonova.ledger import network_listing
from kilonova.ledger.network_listing import Shelf, chunks
from kilonova.ledger.network_quotas import NetworkQuotas
from kilonova.ledger.network_tables import port_groups, security_group_rules, security_groups
from kilonova.ledger.network_tags import Tags
from kilonova.ledger.routing.fabric import GROUP, Fabric
from kilonova.model.caller import Caller
from kilonova.model.ids import new_uuid
from kilonova.model.network import DEFAULT_GROUP, Listing, SecurityGroup, SecurityGroupRule
from kilonova.model.network_rights import owner, refuse_stranger
from kilonova.model.network_wish import NewSecurityGroup, NewSecurityGroupRule, SecurityGroupChanges
from kilonova.model.security_rules import RuleTerms, default_terms, new_group_terms, rule_terms


def _group_visible(caller: Caller) -> ColumnElement[bool]:
    return security_groups.c.project_id == caller.project_id


def _rule_visible(caller: Caller) -> ColumnElement[bool]:
    mine = select(security_groups.c.id).where(security_groups.c.project_id == caller.project_id)
    return or_(security_group_rules.c.project_id == caller.project_id, security_group_rules.c.security_group_id.in_(mine))


_g, _r = security_groups.c, security_group_rules.c
GROUPS = Shelf(
    noun="SecurityGroup",
    table=security_groups,
    columns={
        "id": _g.id,
        "name": _g.name,
        "description": _g.description,
        "project_id": _g.project_id,
        "tenant_id": _g.project_id,
        "stateful": _g.stateful,
        "revision_number": _g.revision_number,
        "created_at": _g.created_at,
        "updated_at": _g.updated_at,
    },
    visible=_group_visible,
)
RULES = Shelf(
    noun="SecurityGroupRule",
    table=security_group_rules,
    columns={
        "id": _r.id,
        "description": _r.description,
        "project_id": _r.project_id,
        "tenant_id": _r.project_id,
        "security_group_id": _r.security_group_id,
        "direction": _r.direction,
        "ethertype": _r.ethertype,
        "protocol": _r.protocol,
        "port_range_min": _r.port_range_min,
        "port_range_max": _r.port_range_max,
        "remote_group_id": _r.remote_group_id,
        "remote_ip_prefix": _r.remote_ip_prefix,
        "revision_number": _r.revision_number,
        "created_at": _r.created_at,
        "updated_at": _r.updated_at,
    },
    visible=_rule_visible,
)


class SecurityGroups:
    def __init__(self, connection: Connection, quotas: NetworkQuotas, tags: Tags, fabric: Fabric) -> None:
        self._connection = connection
        self._fabric = fabric
        self._quotas = quotas
        self._tags = tags

    def get(self, thing_id: str, caller: Caller) -> SecurityGroup:
        return self._read([network_listing.get(self._connection, GROUPS, thing_id, caller)])[0]

    def find(self, wanted: Listing, caller: Caller) -> Sequence[SecurityGroup]:
        return self._read(network_listing.find(self._connection, GROUPS, wanted, caller))

    def create(self, wish: NewSecurityGroup, caller: Caller, now: float) -> SecurityGroup:
        project_id = owner(wish.owner, caller)
        if wish.name.lower() == DEFAULT_GROUP:
            raise Conflict("Default security group already exists.", kind="SecurityGroupDefaultAlreadyExists")
        self.make_default(project_id, now)
        self._quotas.make_room("security_group", project_id)
        group_id = self._insert(project_id, wish, now)
        self._insert_rules(group_id, project_id, new_group_terms(), now)
        if wish.tags is not UNSET:
            self._tags.replace(group_id, wish.tags)
        return self.get(group_id, caller)

    def change(self, thing_id: str, changes: SecurityGroupChanges, caller: Caller, now: float) -> SecurityGroup:
        row = network_listing.get(self._connection, GROUPS, thing_id, caller)
        values = {name: value for name in changes.__struct_fields__ if (value := getattr(changes, name)) is not UNSET}
        if row.default_of and values.get("name", row.name) != row.name:
            raise Conflict("Updating default security group not allowed.", kind="SecurityGroupCannotUpdateDefault")
        if not row.default_of and str(values.get("name", "")).lower() == DEFAULT_GROUP:
            raise Conflict("Default security group already exists.", kind="SecurityGroupDefaultAlreadyExists")
        if values.get("stateful", row.stateful) != row.stateful:
            self._refuse_if_used(thing_id)
        self._connection.execute(
            update(security_groups)
            .where(security_groups.c.id == thing_id)
            .values(**values, updated_at=now, revision_number=security_groups.c.revision_number + 1)
        )
        return self.get(thing_id, caller)

    def remove(self, thing_id: str, caller: Caller) -> None:
        row = network_listing.get(self._connection, GROUPS, thing_id, caller)
        if row.default_of and not caller.is_admin:
            raise Conflict("Insufficient rights for removing default security group.", kind="SecurityGroupCannotRemoveDefault")
        self._refuse_if_used(thing_id)
        self._tags.forget([thing_id])
        self._connection.execute(delete(security_groups).where(security_groups.c.id == thing_id))
        self._fabric.ended(GROUP, [thing_id])

    def has_default(self, project_id: str) -> bool:
        return self.default_id(project_id) is not None

    def default_id(self, project_id: str) -> str | None:
        query = select(security_groups.c.id).where(security_groups.c.default_of == project_id)
        return self._connection.execute(query).scalar()

    def make_default(self, project_id: str, now: float) -> str:
        known = self.default_id(project_id)
        if known is not None:
            return known
        wish = NewSecurityGroup(name=DEFAULT_GROUP, description="Default security group")
        group_id = self._insert(project_id, wish, now, default_of=project_id)
        self._insert_rules(group_id, project_id, default_terms(group_id), now)
        return group_id

    def named(self, project_id: str, wanted: Sequence[str], now: float) -> list[str]:
        """Ids of the project's groups with these names or ids. Raises NotFound, Conflict for a name that two groups have."""
        if DEFAULT_GROUP in wanted:
            self.make_default(project_id, now)
        named = or_(security_groups.c.name.in_(wanted), security_groups.c.id.in_(wanted))
        query = select(security_groups.c.id, security_groups.c.name).where(security_groups.c.project_id == project_id, named)
        rows = self._connection.execute(query).all()
        found: list[str] = []
        for want in dict.fromkeys(wanted):
            ids = [row.id for row in rows if row.id == want] or [row.id for row in rows if row.name == want]
            if not ids:
                raise NotFound(f"Security group {want} not found.", kind="SecurityGroupNotFound")
            if len(ids) > 1:
                raise Conflict(f"Multiple security groups match the name '{want}'. Use an ID to be more specific.")
            found.append(ids[0])
        return list(dict.fromkeys(found))

    def known(self, ids: Sequence[str], caller: Caller) -> list[str]:
        """The same ids without repeats. Raises NotFound for one the caller does not see."""
        wanted = list(dict.fromkeys(ids))
        query = select(security_groups.c.id).where(security_groups.c.id.in_(wanted))
        if not caller.is_admin:
            query = query.where(_group_visible(caller))
        found = set(self._connection.execute(query).scalars()) if wanted else set()
        for group_id in wanted:
            if group_id not in found:
                raise GROUPS.missing(group_id)
        return wanted

    def _refuse_if_used(self, group_id: str) -> None:
        used = select(port_groups.c.port_id).where(port_groups.c.security_group_id == group_id).limit(1)
        if self._connection.execute(used).first():
            raise Conflict(f"Security Group {group_id} in use.", kind="SecurityGroupInUse")

    def _insert(self, project_id: str, wish: NewSecurityGroup, now: float, default_of: str | None = None) -> str:
        group_id = new_uuid()
        values = {
            "id": group_id,
            "project_id": project_id,
            "name": wish.name,
            "description": wish.description,
            "stateful": wish.stateful,
            "default_of": default_of,
            "created_at": now,
            "updated_at": now,
            "revision_number": 1,
        }
        self._connection.execute(insert(security_groups), values)
        self._fabric.begun(GROUP, group_id)
        return group_id

    def _insert_rules(self, group_id: str, project_id: str, many: Sequence[RuleTerms], now: float) -> None:
        self._connection.execute(insert(security_group_rules), [_rule_values(group_id, project_id, terms, now) for terms in many])

    def _read(self, rows: Sequence[Row[Any]]) -> list[SecurityGroup]:
        ids = [row.id for row in rows]
        rules: dict[str, list[SecurityGroupRule]] = {}
        for some in chunks(ids):
            query = select(security_group_rules).where(_r.security_group_id.in_(some)).order_by(_r.created_at, _r.id)
            for rule in self._connection.execute(query):
                rules.setdefault(rule.security_group_id, []).append(_rule(rule))
        tags = self._tags.of_many(ids)
        return [_group(row, tuple(rules.get(row.id, ())), tags.get(row.id, ())) for row in rows]


class SecurityRules:
    def __init__(self, connection: Connection, groups: SecurityGroups, quotas: NetworkQuotas, fabric: Fabric) -> None:
        self._connection = connection
        self._fabric = fabric
        self._groups = groups
        self._quotas = quotas

    def get(self, thing_id: str, caller: Caller) -> SecurityGroupRule:
        return _rule(network_listing.get(self._connection, RULES, thing_id, caller))

    def find(self, wanted: Listing, caller: Caller) -> Sequence[SecurityGroupRule]:
        return [_rule(row) for row in network_listing.find(self._connection, RULES, wanted, caller)]

    def create(self, wish: NewSecurityGroupRule, caller: Caller, now: float) -> SecurityGroupRule:
        if wish.tags is not UNSET:
            raise BadRequest("Unrecognized attribute(s) 'tags'", kind="HTTPBadRequest")
        terms = rule_terms(wish)
        group = network_listing.get(self._connection, GROUPS, wish.security_group_id, caller)
        if wish.owner:
            refuse_stranger(wish.owner, caller)
        if terms.remote_group_id:
            self._groups.known([terms.remote_group_id], caller)
        mine = (_r.security_group_id == group.id) & (_r.terms == terms.key)
        twin = self._connection.execute(select(_r.id).where(mine)).scalar()
        if twin is not None:
            raise Conflict(f"Security group rule already exists. Rule id is {twin}.", kind="SecurityGroupRuleExists")
        self._quotas.make_room("security_group_rule", group.project_id)
        values = {**_rule_values(group.id, group.project_id, terms, now), "description": wish.description}
        self._connection.execute(insert(security_group_rules), values)
        self._fabric.changed(GROUP, [group.id])
        return self.get(values["id"], caller)

    def remove(self, thing_id: str, caller: Caller) -> None:
        rule = self.get(thing_id, caller)
        self._connection.execute(delete(security_group_rules).where(_r.id == thing_id))
        self._fabric.changed(GROUP, [rule.security_group_id])


def _rule_values(group_id: str, project_id: str, terms: RuleTerms, now: float) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(terms),
        "id": new_uuid(),
        "project_id": project_id,
        "security_group_id": group_id,
        "name": "",
        "description": "",
        "terms": terms.key,
        "created_at": now,
        "updated_at": now,
        "revision_number": 0,
    }


def _rule(row: Row[Any]) -> SecurityGroupRule:
    values = row._mapping
    return SecurityGroupRule(**{name: values[name] for name in SecurityGroupRule.__struct_fields__})


def _group(row: Row[Any], rules: tuple[SecurityGroupRule, ...], tags: tuple[str, ...]) -> SecurityGroup:
    values = dict(row._mapping)
    del values["default_of"]
    return SecurityGroup(**values, rules=rules, tags=tags)
