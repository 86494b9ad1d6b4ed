"""The one store that image data is in, as far as clients may name it. Moves nothing."""

from kilonova.api.call import Answer, Call
from kilonova.api.image.access import image_id_of, viewer_of
from kilonova.api.image.discovery import STORE
from kilonova.api.world import Books
from kilonova.errors import Forbidden, NotFound
from kilonova.model.images import check_owner


async def show_stores(call: Call) -> Answer:
    """GET /v2/info/stores"""
    return Answer(200, {"stores": [{"id": STORE, "description": "Files of this cloud.", "default": "true"}]})


async def show_stores_in_detail(call: Call) -> Answer:
    """GET /v2/info/stores/detail, for admins. Where the files lie is nobody's business outside."""
    about = {"id": STORE, "type": "file", "description": "Files of this cloud.", "default": "true", "properties": {}}
    return Answer(200, {"stores": [{**about, "weight": 0}]})


async def delete_from_store(call: Call) -> Answer:
    """DELETE /v2/stores/{store}/{image_id}: refused, since it is the image's only one."""
    image_id, viewer = image_id_of(call), viewer_of(call)

    def look(books: Books) -> None:
        image = books.images.get(image_id, viewer)
        check_owner(image, viewer)
        if call.path["store"] != STORE or image.content is None:
            raise NotFound(f"Image {image_id} is not in this store.")

    await call.world.ledger.read(look)
    raise Forbidden(f"Image {image_id} is in no other store: delete the image instead.")
