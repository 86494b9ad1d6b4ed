"""The volume service as it is mounted: routes, rights, versions, the form of its errors."""

from kilonova.api.errors import volume_body
from kilonova.api.service import Service
from kilonova.api.volume.negotiation import finish, negotiate
from kilonova.api.volume.routes import RIGHTS, ROUTES

SERVICE = Service(
    name="volume",
    mount="/volume",
    routes=ROUTES,
    rights=RIGHTS,
    error_body=volume_body,
    negotiate=negotiate,
    finish=finish,
    types=("block-storage", "volumev3", "volume", "block-store"),
)
