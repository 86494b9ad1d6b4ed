"""Who is asking, and for which image? Decides nothing."""

import re

from kilonova.api.call import Call
from kilonova.errors import NotFound
from kilonova.model.images import Viewer

UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
EVERYBODY = Viewer(project_id="", is_admin=True)
"""For the program's own questions."""


def viewer_of(call: Call) -> Viewer:
    return Viewer(project_id=call.who.project_id, is_admin=call.who.is_admin)


def image_id_of(call: Call) -> str:
    """The id in the path. Raises NotFound when it cannot be one."""
    image_id = call.path["image_id"]
    if not UUID.fullmatch(image_id):
        raise NotFound(f"No image found with ID {image_id[:64]}")
    return image_id
