"""Which functions a reader walks through to follow one build: measured on a build in the simulator, not typed.

WHAT COUNTS. The rooms of the story are the API's handler, the desk, `build/`, `saga/`, `lifecycle/`, `nodes/` and `scheduler/`.
A function there that ran between POST and ACTIVE is a HOP when it is one of the steps, when it is the handler, the reading of
the request or the scheduler's `choose`, when a node's queue hands over to it, when it speaks to the bus or to a driver, or when
it leads to a hop. Everything else that ran there is read IN PLACE: it looks up,
formats, times or journals something for one hop and hands the build to nobody; its lines count, it is no hop.
Not counted at all: other rooms (HTTP edge, ledger, bus, drivers, trace), what runs by the clock (hello, sweeper, audit, the
plans of groups and routers) and the faults on demand that watch the steps.
"Leads to" is by name, in the function's own code, so it counts rather too many than too few.
"""

import ast
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

from kilonova.build import STEP_OF
from kilonova.sim import SimulatedCloud

SOURCE = Path(__file__).parent.parent / "kilonova"

ORDER = {
    "api/compute/servers.py": "control",
    "api/compute/server_wish.py": "control",
    "nodes/desk.py": "control",
    "build/__init__.py": "control",
    "saga/chain.py": "control",
    "build/admit.py": "control",
    "build/place.py": "control",
    "scheduler/choose.py": "control",
    "nodes/relay.py": "control",
    "nodes/compute.py": "compute",
    "nodes/worker.py": "compute",
    "saga/run.py": "compute",
    "build/prepare.py": "compute",
    "build/connect.py": "compute, network",
    "nodes/hands.py": "compute",
    "nodes/network.py": "network",
    "build/start.py": "compute, control",
    "nodes/reporter.py": "compute",
    "nodes/control.py": "control",
}
"""The files of the path in the order of the nine steps, and where each runs."""

ROOMS = ("build/", "saga/", "lifecycle/", "nodes/", "scheduler/", "api/compute/servers.py", "api/compute/server_wish.py")
BY_THE_CLOCK = (
    "nodes/greeting.py",
    "nodes/sweeper.py",
    "nodes/audit.py",
    "nodes/fabric.py",
    "lifecycle/fabric.py",
    "nodes/inventory_answers.py",
    "lifecycle/inventory.py",
    "lifecycle/audit/",
    "nodes/repair/",
    "nodes/network.py:NetworkNode.take_fabric",
)
WATCHES = ("saga/faults.py",)
BUS = {"put_many", "put_and_wait", "ask", "announce_many", "send_answer"}
DRIVERS = {"assemble", "add_config_drive", "wire"}
DECIDES = {"create", "wish", "choose"}
STORY = {file for file in ORDER if file.startswith("build/")}


class Walked(NamedTuple):
    """One function that ran. `lines` without its decorators; `passes_on`: its whole body is one call."""

    file: str
    name: str
    lines: int
    hop: bool
    passes_on: bool

    @property
    def place(self) -> str:
        return ORDER.get(self.file, "")


class Walk:
    """A profile function for every thread; `with walk:` is when it looks."""

    def __init__(self) -> None:
        self.codes: dict[tuple[str, str], CodeType] = {}
        self.calls: set[tuple[tuple[str, str], tuple[str, str]]] = set()
        self._looking = False

    def __enter__(self) -> None:
        self._looking = True
        sys.setprofile(self.see)

    def __exit__(self, *_: object) -> None:
        self._looking = False
        sys.setprofile(None)

    def see(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and self._looking and (known := _own(frame.f_code)) is not None:
            self.codes.setdefault(known, frame.f_code)
            caller = _own(frame.f_back.f_code) if frame.f_back else None
            if caller is not None:
                self.calls.add((caller, known))

    def walked(self) -> list[Walked]:
        """In the order of the nine steps."""
        hops = self._hops()
        found = []
        for (file, name), code in self.codes.items():
            body = _definition(code)
            found.append(Walked(file, name, _lines(body), (file, name) in hops, _passes_on(body)))
        files = list(ORDER)
        rank = {file: number for number, file in enumerate(files)}
        return sorted(found, key=lambda one: (rank.get(one.file, len(files)), one.file, _line(self.codes[one.file, one.name])))

    def _hops(self) -> set[tuple[str, str]]:
        words = {known: set(_words(code)) for known, code in self.codes.items()}
        hops = {
            known
            for known in self.codes
            if known[1].rpartition(".")[2] in STEP_OF.keys() | DECIDES or words[known] & (BUS | DRIVERS)
        }
        hops |= {caller for caller, called in self.calls if called[1] in STEP_OF}
        hops |= {called for caller, called in self.calls if caller[0].startswith("nodes/") and called[0] in STORY}
        while True:
            names = {name.rpartition(".")[2] for _, name in hops}
            more = {known for known in self.codes if words[known] & names} | hops
            if more == hops:
                return hops
            hops = more


async def walk_one_build(folder: Path, template: Path) -> list[Walked]:
    """Build one server with every answer at its first asking, and say what was walked."""
    walk = Walk()
    threading.setprofile(walk.see)
    try:
        async with SimulatedCloud(folder, hosts=3, template=template) as cloud:
            with walk:
                server_id = await cloud.build(config_drive=True)
                await cloud.wait_for(server_id, "ACTIVE")
    finally:
        threading.setprofile(None)
    return walk.walked()


def _own(code: CodeType) -> tuple[str, str] | None:
    """(file, name) of a function of the story's rooms; what is defined inside a function is part of it."""
    file = code.co_filename
    if not file.startswith(str(SOURCE)):
        return None
    file = file[len(str(SOURCE)) + 1 :]
    name = code.co_qualname.partition(".<locals>")[0]
    if (
        not file.startswith(ROOMS)
        or f"{file}:{name}".startswith((*BY_THE_CLOCK, *WATCHES))
        or name.startswith("<")
        or name.endswith("__init__")
    ):
        return None
    return file, name


def _definition(code: CodeType) -> ast.FunctionDef | ast.AsyncFunctionDef:
    wanted = code.co_qualname.partition(".<locals>")[0]
    for name, node in functions_of(Path(code.co_filename)):
        if name == wanted:
            return node
    raise LookupError(wanted)


def functions_of(file: Path) -> Iterable[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function and method of a file by its qualified name, without those inside functions."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.{inner.name}", inner


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _line(code: CodeType) -> int:
    return _definition(code).lineno


def _words(code: CodeType) -> Iterable[str]:
    """Every function a function's code names or calls, also in what is defined inside it; its own variables are none."""
    inside = list(ast.walk(_definition(code)))
    own = {node.arg for node in inside if isinstance(node, ast.arg)}
    own |= {node.id for node in inside if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in inside:
        if isinstance(node, ast.Name) and node.id not in own:
            yield node.id
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr


def _passes_on(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    body = [one for one in node.body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))]
    if len(body) != 1 or not isinstance(body[0], ast.Return | ast.Expr):
        return False
    value = body[0].value
    return isinstance(value.value if isinstance(value, ast.Await) else value, ast.Call)
