"""The compute service as it is mounted: routes, rights, versions, the form of its errors."""

from kilonova.api.compute.negotiation import finish, negotiate
from kilonova.api.compute.permissions import RIGHTS
from kilonova.api.compute.routes import ROUTES
from kilonova.api.errors import compute_body
from kilonova.api.service import Service

SERVICE = Service(
    name="compute",
    mount="/compute",
    routes=ROUTES,
    rights=RIGHTS,
    error_body=compute_body,
    negotiate=negotiate,
    finish=finish,
    exact=True,
)
