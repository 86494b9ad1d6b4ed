"""What a guest may learn about itself, as OpenStack's metadata service and config drive lay it out."""

from kilonova.metadata.described import Described
from kilonova.metadata.documents import documents, drive_documents

__all__ = ["Described", "documents", "drive_documents"]
