"""2.39: images' metadata left compute, and with it the limit on it."""

from typing import Any

from kilonova.api.compute.changes.change import Change, Document, Shown


def with_image_metadata(document: Document, about: Any) -> Document:
    return {**document, "maxImageMeta": document["maxServerMeta"]}


CHANGE = Change(lower={Shown.LIMITS: with_image_metadata})
