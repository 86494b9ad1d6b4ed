"""The image service as the application mounts it."""

from kilonova.api.errors import image_body
from kilonova.api.image.routes import RIGHTS, ROUTES
from kilonova.api.service import Service

SERVICE = Service(name="image", mount="/image", routes=ROUTES, rights=RIGHTS, error_body=image_body)
