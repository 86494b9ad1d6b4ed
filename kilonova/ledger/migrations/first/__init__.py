"""Every table of revision 0001, as it was then. Follows no later change of the books."""

from kilonova.ledger.migrations.first import identity, images, networks, servers
from kilonova.ledger.migrations.first.metadata import metadata

__all__ = ["identity", "images", "metadata", "networks", "servers"]
