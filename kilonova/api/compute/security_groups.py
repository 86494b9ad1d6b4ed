"""/os-security-groups and /os-security-group-rules until 2.35, and the groups of one server: a window on the network service."""

from collections.abc import Mapping, Sequence
from typing import Any

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import body, last, only, page_by_offset, truth, uuid_text
from kilonova.api.compute.changes.change import Document
from kilonova.api.compute.network_words import in_novas_words
from kilonova.api.compute.schemas_proxies import GroupBody, RuleBody
from kilonova.api.compute.servers import find
from kilonova.api.world import Books
from kilonova.errors import NotFound
from kilonova.model.caller import Caller
from kilonova.model.network import Listing, SecurityGroup, SecurityGroupRule
from kilonova.model.network_wish import NewSecurityGroup, SecurityGroupChanges
from kilonova.model.nova_rules import ends_of, ingress

Names = Mapping[str, SecurityGroup]
"""Groups by their ids."""


async def index(call: Call) -> Answer:
    """The project's own; an admin may see all."""
    offset, limit = page_by_offset(call)
    everywhere = call.who.is_admin and truth(last(call.query, "all_tenants") or False, "all_tenants")
    project = call.who.project_id
    wanted = Listing() if everywhere else Listing(filters={"project_id": (project,)})

    def look(books: Books) -> list[Document]:
        groups = books.networks.groups.find(wanted, call.who)
        return _groups(books, call.who, groups[offset : offset + limit])

    await see_to_the_default(call)
    return Answer(200, {"security_groups": await call.world.ledger.read(look)})


async def show(call: Call) -> Answer:
    return Answer(200, {"security_group": await call.world.ledger.read(lambda books: _one(call, books))})


async def create(call: Call) -> Answer:
    wanted = body(call, GroupBody).security_group
    new = NewSecurityGroup(name=wanted.name, description=wanted.description)

    def make(books: Books) -> Document:
        with in_novas_words():
            made = books.networks.groups.create(new, call.who, call.world.now())
        return _groups(books, call.who, [made])[0]

    return Answer(200, {"security_group": await call.world.ledger.write(make)})


async def update(call: Call) -> Answer:
    group_id = _id(call)
    wanted = body(call, GroupBody).security_group

    def change(books: Books) -> Document:
        with in_novas_words():
            changes = SecurityGroupChanges(name=wanted.name, description=wanted.description)
            books.networks.groups.change(group_id, changes, call.who, call.world.now())
        return _one(call, books)

    return Answer(200, {"security_group": await call.world.ledger.write(change)})


async def delete(call: Call) -> Answer:
    group_id = _id(call)

    def remove(books: Books) -> None:
        with in_novas_words():
            books.networks.groups.remove(group_id, call.who)

    await call.world.ledger.write(remove)
    return Answer(202)


async def create_rule(call: Call) -> Answer:
    wanted = body(call, RuleBody).security_group_rule
    parent = uuid_text(wanted.parent_group_id, "parent_group_id")
    remote = None if wanted.group_id is None else uuid_text(wanted.group_id, "group_id")

    def make(books: Books) -> Document:
        with in_novas_words():
            books.networks.groups.get(parent, call.who)
            if remote is not None:
                books.networks.groups.get(remote, call.who)
            ends = (wanted.from_port, wanted.to_port)
            protocol = None if wanted.ip_protocol is None else str(wanted.ip_protocol)
            new = ingress(parent, protocol, ends, wanted.cidr, remote)
            rule = books.networks.rules.create(new, call.who, call.world.now())
        return _rule(rule, _remote_groups(books, call.who, [rule]))

    return Answer(200, {"security_group_rule": await call.world.ledger.write(make)})


async def delete_rule(call: Call) -> Answer:
    rule_id = uuid_text(call.path["rule_id"], "id")

    def remove(books: Books) -> None:
        with in_novas_words():
            books.networks.rules.remove(rule_id, call.who)

    await call.world.ledger.write(remove)
    return Answer(202)


async def of_server(call: Call) -> Answer:
    """In every version: the groups of the server's ports."""
    only(call)

    def look(books: Books) -> list[Document]:
        server = find(call, books)
        ports = books.networks.ports.find(Listing(filters={"device_id": (server.id,)}), call.who)
        ids = tuple(dict.fromkeys(group for port in ports for group in port.security_groups))
        groups = books.networks.groups.find(Listing(filters={"id": ids}), call.who) if ids else ()
        return _groups(books, call.who, groups)

    return Answer(200, {"security_groups": await call.world.ledger.read(look)})


async def see_to_the_default(call: Call) -> None:
    """A project has its default group from the first time that anyone looks."""
    project = call.who.project_id
    if project and not await call.world.ledger.read(lambda books: books.networks.groups.has_default(project)):
        await call.world.ledger.write(lambda books: books.networks.groups.make_default(project, call.world.now()))


def _one(call: Call, books: Books) -> Document:
    with in_novas_words():
        return _groups(books, call.who, [books.networks.groups.get(_id(call), call.who)])[0]


def _id(call: Call) -> str:
    """Also what is a number, as with nova-network, is no id here: BadRequest, in Nova's words."""
    return uuid_text(call.path["group_id"], "id")


def _groups(books: Books, caller: Caller, groups: Sequence[SecurityGroup]) -> list[Document]:
    remote = _remote_groups(books, caller, [rule for group in groups for rule in group.rules])
    documents = [
        {
            "id": group.id,
            "name": group.name,
            "description": group.description,
            "tenant_id": group.project_id,
            "rules": [_rule(rule, remote) for rule in group.rules if rule.direction == "ingress"],
        }
        for group in groups
    ]
    return sorted(documents, key=lambda document: (document["tenant_id"], document["name"]))


def _remote_groups(books: Books, caller: Caller, rules: Sequence[SecurityGroupRule]) -> Names:
    found: dict[str, SecurityGroup] = {}
    for group_id in {rule.remote_group_id for rule in rules if rule.remote_group_id}:
        try:
            found[group_id] = books.networks.groups.get(group_id, caller)
        except NotFound:
            continue
    return found


def _rule(rule: SecurityGroupRule, remote: Names) -> Document:
    first, last_port = ends_of(rule)
    group: dict[str, Any] = {}
    source = remote.get(rule.remote_group_id or "")
    if source is not None:
        group = {"name": source.name, "tenant_id": source.project_id}
    return {
        "id": rule.id,
        "parent_group_id": rule.security_group_id,
        "ip_protocol": rule.protocol,
        "from_port": first,
        "to_port": last_port,
        "group": group,
        "ip_range": {} if rule.remote_group_id else {"cidr": rule.remote_ip_prefix or _everywhere(rule)},
    }


def _everywhere(rule: SecurityGroupRule) -> str:
    return "::/0" if rule.ethertype == "IPv6" else "0.0.0.0/0"
