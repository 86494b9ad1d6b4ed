"""One transaction: a connection, and the book of each noun opened on it. Holds no query itself."""

from functools import cached_property

from sqlalchemy import Connection

from kilonova.ledger.actions import Actions
from kilonova.ledger.aggregates import Aggregates
from kilonova.ledger.allocations import Allocations
from kilonova.ledger.flavors import Flavors
from kilonova.ledger.hosts import Hosts
from kilonova.ledger.identity import Identity
from kilonova.ledger.images import Images
from kilonova.ledger.keypairs import Keypairs
from kilonova.ledger.networks import Networks
from kilonova.ledger.orders import Orders
from kilonova.ledger.quotas import Quotas
from kilonova.ledger.routing.fabric import Fabric
from kilonova.ledger.server_groups import ServerGroups
from kilonova.ledger.server_migrations import Migrations
from kilonova.ledger.servers import Servers
from kilonova.ledger.volume.book import Volumes


class Transaction:
    """What a change gets. Books are opened when first used."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.ordered = False
        """True once an order was queued: the relay is woken after the commit."""

    @cached_property
    def servers(self) -> Servers:
        return Servers(self.connection)

    @cached_property
    def server_groups(self) -> ServerGroups:
        return ServerGroups(self.connection)

    @cached_property
    def migrations(self) -> Migrations:
        return Migrations(self.connection)

    @cached_property
    def aggregates(self) -> Aggregates:
        return Aggregates(self.connection)

    @cached_property
    def volumes(self) -> Volumes:
        return Volumes(self)

    @cached_property
    def hosts(self) -> Hosts:
        return Hosts(self.connection)

    @cached_property
    def allocations(self) -> Allocations:
        return Allocations(self.connection)

    @cached_property
    def quotas(self) -> Quotas:
        return Quotas(self.connection)

    @cached_property
    def orders(self) -> Orders:
        return Orders(self.connection, self._note_order)

    @cached_property
    def actions(self) -> Actions:
        return Actions(self.connection)

    @cached_property
    def identity(self) -> Identity:
        return Identity(self.connection)

    @cached_property
    def images(self) -> Images:
        return Images(self.connection)

    @cached_property
    def networks(self) -> Networks:
        return Networks(self.connection, self._note_order)

    @cached_property
    def fabric(self) -> Fabric:
        return self.networks.fabric

    @cached_property
    def flavors(self) -> Flavors:
        return Flavors(self.connection)

    @cached_property
    def keypairs(self) -> Keypairs:
        return Keypairs(self.connection)

    def _note_order(self) -> None:
        self.ordered = True
