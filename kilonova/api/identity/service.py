"""Identity v3 as this program mounts it."""

from kilonova.api.errors import identity_body
from kilonova.api.identity.rights import RIGHTS
from kilonova.api.identity.routes import ROUTES
from kilonova.api.service import Service

SERVICE = Service(name="identity", mount="/identity", routes=ROUTES, rights=RIGHTS, error_body=identity_body)
