"""2.32: a NIC or block device may carry a tag that the guest sees (Nova lost that in 2.37 to 2.41 by mistake; here it stays)."""

from kilonova.api.compute.changes.change import Asked, Change, Document, inside, refuse


def without_tags(document: Document) -> Document:
    server = inside(document, "server")
    for kind in ("networks", "block_device_mapping_v2"):
        items = server.get(kind)
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict):
                refuse(item, "tag")
    return document


CHANGE = Change(lift={Asked.SERVER_CREATE: without_tags})
