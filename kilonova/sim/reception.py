"""The HTTP application of a control that rises again and again: its routes are laid out once, which takes a quarter of a second.

What stands behind the routes is always that of the newest control; of a dead one nothing goes on that could notice.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kilonova.api.call import Answer, Call, Handler
from kilonova.api.rights import Right
from kilonova.api.server import application
from kilonova.api.service import Service
from kilonova.sim.folder import api_world
from kilonova.sim.front_door import Application


class _Newest:
    """The ApiWorld of today."""

    def __init__(self) -> None:
        self.world: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world, name)


class Reception:
    """`web` is called as folder.py's, with the same services each time."""

    def __init__(self) -> None:
        self._newest: Any = _Newest()
        self._services: Sequence[Service] = ()
        self._application: Application | None = None

    def web(self, folder: Path, ledger: Any, desk: Any, services: Sequence[Service], readiness: Any) -> Application:
        """For a control that begins."""
        self._newest.world = api_world(folder, ledger, desk, readiness)
        self._services = services
        if self._application is None:
            through = [self._through(number, service) for number, service in enumerate(services)]
            self._application = application(self._newest, through)
        return self._application

    def _through(self, number: int, service: Service) -> Service:
        """Some services are made anew by each control: their handlers are looked up when they are called."""
        rights: dict[Handler, Right] = {}

        def leads_to(path: str, method: str) -> Handler:
            async def lead(call: Call) -> Answer:
                return await self._services[number].routes[path][method](call)

            rights[lead] = service.rights[service.routes[path][method]]
            return lead

        routes = {path: {method: leads_to(path, method) for method in methods} for path, methods in service.routes.items()}
        return replace(service, routes=routes, rights=rights)


Web = Callable[[Path, Any, Any, Sequence[Service], Any], Application]
