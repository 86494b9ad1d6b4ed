"""What the network API asks of the ledger: one small book for each noun, all with the same verbs."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from kilonova.model.caller import Caller
from kilonova.model.ip_availability import NetworkAvailability
from kilonova.model.network import Agent, HostRoute, Listing, Network, NetworkPort, SecurityGroup, SecurityGroupRule, Subnet
from kilonova.model.network_wish import (
    NetworkChanges,
    NewNetwork,
    NewPort,
    NewSecurityGroup,
    NewSecurityGroupRule,
    NewSubnet,
    PortChanges,
    SecurityGroupChanges,
    SubnetChanges,
)
from kilonova.model.router import FloatingIp, Interface, Router
from kilonova.model.router_wish import FloatingIpChanges, InterfaceWish, NewFloatingIp, NewRouter, RouterChanges
from kilonova.model.subnetpool import (
    AddressScope,
    AddressScopeChanges,
    NewAddressScope,
    NewSubnetPool,
    SubnetPool,
    SubnetPoolChanges,
)

Thing_co = TypeVar("Thing_co", covariant=True)
New_contra = TypeVar("New_contra", contravariant=True)
Changes_contra = TypeVar("Changes_contra", contravariant=True)


class Shelf(Protocol[Thing_co]):
    """What can be looked up. The caller sees its project's things and what is shared with it; an admin sees all."""

    def get(self, thing_id: str, caller: Caller) -> Thing_co:
        """Raises NotFound."""
        ...

    def find(self, wanted: Listing, caller: Caller) -> Sequence[Thing_co]:
        """In the order asked for. Raises BadRequest for a filter or sort key that is not known, NotFound for the marker."""
        ...

    def remove(self, thing_id: str, caller: Caller) -> None:
        """Raises NotFound, Forbidden, Conflict when it is in use."""
        ...


class Maker(Protocol[Thing_co, New_contra]):
    def create(self, wish: New_contra, caller: Caller, now: float) -> Thing_co:
        """Raises BadRequest, Forbidden, NotFound, Conflict (also when the quota is used up, as Neutron does)."""
        ...


class Changer(Protocol[Thing_co, Changes_contra]):
    def change(self, thing_id: str, changes: Changes_contra, caller: Caller, now: float) -> Thing_co:
        """Changes what is not UNSET. Raises BadRequest, Forbidden, NotFound, Conflict."""
        ...


class NetworkShelf(Shelf[Network], Maker[Network, NewNetwork], Changer[Network, NetworkChanges], Protocol): ...


class SubnetShelf(Shelf[Subnet], Maker[Subnet, NewSubnet], Changer[Subnet, SubnetChanges], Protocol): ...


class PortShelf(Shelf[NetworkPort], Maker[NetworkPort, NewPort], Changer[NetworkPort, PortChanges], Protocol): ...


class GroupShelf(
    Shelf[SecurityGroup], Maker[SecurityGroup, NewSecurityGroup], Changer[SecurityGroup, SecurityGroupChanges], Protocol
):
    def has_default(self, project_id: str) -> bool: ...

    def make_default(self, project_id: str, now: float) -> str:
        """The id of the project's default group, made with Neutron's default rules when it is not there."""
        ...


class RuleShelf(Shelf[SecurityGroupRule], Maker[SecurityGroupRule, NewSecurityGroupRule], Protocol): ...


class RouterShelf(Shelf[Router], Maker[Router, NewRouter], Changer[Router, RouterChanges], Protocol):
    def add_routes(self, thing_id: str, wanted: Sequence[HostRoute], caller: Caller, now: float) -> Router:
        """Beside those there are. Raises NotFound, Forbidden, BadRequest."""
        ...

    def remove_routes(self, thing_id: str, wanted: Sequence[HostRoute], caller: Caller, now: float) -> Router:
        """Those of them that are there. Raises NotFound, Forbidden."""
        ...


class InterfaceBook(Protocol):
    """A router's ends on networks. Both raise BadRequest, NotFound, Forbidden, Conflict."""

    def add(self, router_id: str, wish: InterfaceWish, caller: Caller, now: float) -> Interface: ...

    def remove(self, router_id: str, wish: InterfaceWish, caller: Caller, now: float) -> Interface: ...


class FloatingIpShelf(Shelf[FloatingIp], Maker[FloatingIp, NewFloatingIp], Changer[FloatingIp, FloatingIpChanges], Protocol): ...


class SubnetPoolShelf(Shelf[SubnetPool], Maker[SubnetPool, NewSubnetPool], Changer[SubnetPool, SubnetPoolChanges], Protocol): ...


class AddressScopeShelf(
    Shelf[AddressScope], Maker[AddressScope, NewAddressScope], Changer[AddressScope, AddressScopeChanges], Protocol
): ...


class AvailabilityBook(Protocol):
    def all(self) -> Sequence[NetworkAvailability]:
        """Every network, the oldest first."""
        ...


class NetworkQuotaBook(Protocol):
    """Counted in the transaction that uses it up. Keys are those of `DEFAULT_QUOTAS`."""

    def limits(self, project_id: str) -> Mapping[str, int]: ...

    def usage(self, project_id: str) -> Mapping[str, int]: ...

    def change(self, project_id: str, changes: Mapping[str, int]) -> Mapping[str, int]: ...

    def forget(self, project_id: str) -> bool:
        """Back to the defaults; False when it had none of its own."""
        ...

    def projects(self) -> Sequence[str]:
        """The projects that have limits of their own."""
        ...


class TagBook(Protocol):
    """Tags of anything that has an id; whether the caller may is checked before."""

    def of(self, thing_id: str) -> Sequence[str]: ...

    def replace(self, thing_id: str, tags: Sequence[str]) -> None: ...


class AgentBook(Protocol):
    def agents(self) -> Sequence[Agent]: ...


class NetworkBook(Protocol):
    """Everything of one transaction that has to do with networks."""

    @property
    def networks(self) -> NetworkShelf: ...

    @property
    def subnets(self) -> SubnetShelf: ...

    @property
    def ports(self) -> PortShelf: ...

    @property
    def groups(self) -> GroupShelf: ...

    @property
    def rules(self) -> RuleShelf: ...

    @property
    def routers(self) -> RouterShelf: ...

    @property
    def interfaces(self) -> InterfaceBook: ...

    @property
    def floating_ips(self) -> FloatingIpShelf: ...

    @property
    def subnetpools(self) -> SubnetPoolShelf: ...

    @property
    def address_scopes(self) -> AddressScopeShelf: ...

    @property
    def availability(self) -> AvailabilityBook: ...

    @property
    def quotas(self) -> NetworkQuotaBook: ...

    @property
    def tags(self) -> TagBook: ...

    @property
    def agents(self) -> AgentBook: ...
