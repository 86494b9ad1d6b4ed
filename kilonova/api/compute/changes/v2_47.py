"""2.47: a server shows its flavor whole, as it was when the server was made; before, a link to the flavor."""

from kilonova.api.compute.changes.change import Change, Document, Shown
from kilonova.model.server import Server


def flavor_as_a_link(document: Document, about: Server) -> Document:
    bookmark: str = document["links"][1]["href"]
    root = bookmark.rsplit("/", 2)[0]
    flavor_id = about.flavor.id
    document["flavor"] = {"id": flavor_id, "links": [{"rel": "bookmark", "href": f"{root}/flavors/{flavor_id}"}]}
    return document


CHANGE = Change(lower={Shown.SERVER: flavor_as_a_link})
