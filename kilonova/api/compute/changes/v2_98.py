"""2.98: a server shows the properties of its image."""

from typing import Any

from kilonova.api.compute.changes.change import Change, Document, Shown


def without_image_properties(document: Document, about: Any) -> Document:
    if isinstance(document.get("image"), dict):
        document["image"].pop("properties", None)
    return document


CHANGE = Change(lower={Shown.SERVER: without_image_properties})
