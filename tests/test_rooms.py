"""How the code is kept: rooms with promises, a map that names them all, files and functions of a size one can read.

Which room may import which is import-linter's business (see pyproject.toml).
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import kilonova

ROOT = Path(kilonova.__file__).parent
FILES = {str(file.relative_to(ROOT)): file.read_text() for file in sorted(ROOT.rglob("*.py"))}
ROOMS = sorted(file.parent for file in ROOT.rglob("__init__.py") if file.parent != ROOT)

DRAFTED = "ledger/migrations/versions/"
"""Written by the tool that compares tables, one statement after the other; nobody follows a thought through them."""
LONGEST_FILE, LONGEST_FUNCTION, MOST_PARAMETERS = 400, 40, 6
NO_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc", "core", "lib"}
MAY_CATCH_ALL = ("saga/run.py", "api/edge.py", "bus/", "ledger/each.py")
SAYS_WHY = "# noqa: PLR0913 - "

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def trees() -> dict[str, ast.Module]:
    """Not made when the file is imported: every process that runs any test does that."""
    return {name: ast.parse(text) for name, text in FILES.items()}


def functions() -> list[tuple[str, Function]]:
    return [
        (name, node)
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_there_is_something_to_look_at() -> None:
    assert len(FILES) > 100
    assert len(functions()) > 1000


def test_every_room_begins_with_its_promise() -> None:
    for room in ROOMS:
        promise = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
        first = promise.split("\n\n")[0]
        assert len(first) > 20, f"{room.name} has no promise"
        assert first.rstrip().endswith((".", ":")), f"the promise of {room.name} is no sentence: {first}"
        assert "to be written" not in promise, room.name


def test_every_file_begins_with_its_promise() -> None:
    assert [name for name, tree in trees().items() if not ast.get_docstring(tree)] == []


def test_the_map_names_every_room_and_nothing_else() -> None:
    named = set(re.findall(r"^ {0,4}(\w+)/ ", kilonova.__doc__ or "", re.M))
    there = {folder.name for folder in ROOT.iterdir() if (folder / "__init__.py").exists()}
    assert named == there


def test_the_map_says_where_the_nine_steps_are() -> None:
    numbers: set[int] = set()
    for first, last, file in re.findall(r"^ {16,20}(\d)(?:-(\d))?\s+(\w+\.py)", kilonova.__doc__ or "", re.M):
        assert (ROOT / "build" / file).exists()
        numbers |= set(range(int(first), int(last or first) + 1))
    assert numbers == set(range(1, 10))


def test_the_map_is_all_there_is_in_its_file() -> None:
    body = trees()["__init__.py"].body
    assert [type(node) for node in body] == [ast.Expr, ast.Assign]


def test_no_file_is_long() -> None:
    long = {name: n for name, text in FILES.items() if (n := len(text.splitlines())) > LONGEST_FILE}
    assert {name: n for name, n in long.items() if not name.startswith(DRAFTED)} == {}


def test_no_function_is_long() -> None:
    long = {
        f"{name}:{node.name}": n
        for name, node in functions()
        if (n := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION and not name.startswith(DRAFTED)
    }
    assert long == {}


def test_no_function_takes_many_parameters() -> None:
    """Unless it says why on its own line."""
    many = []
    for name, node in functions():
        args = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        count = len(args) - (bool(args) and args[0].arg in ("self", "cls"))
        line = FILES[name].splitlines()[node.lineno - 1]
        if count > MOST_PARAMETERS and SAYS_WHY not in line:
            many.append(f"{name}:{node.name} takes {count}")
    assert many == []


def test_no_module_is_named_for_what_it_is_not() -> None:
    assert [name for name in FILES if set(Path(name).with_suffix("").parts) & NO_NAMES] == []


def test_only_three_places_catch_everything() -> None:
    for name, tree in trees().items():
        if name.startswith(MAY_CATCH_ALL):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler):
                caught = "everything" if node.type is None else ast.unparse(node.type)
                lines = FILES[name].splitlines()[node.lineno - 1]
                excused = "# noqa: BLE001 - " in lines or _raises_again(node)
                assert caught not in ("Exception", "everything", "BaseException") or excused, f"{name}:{node.lineno}"


def _raises_again(node: ast.ExceptHandler) -> bool:
    """It looks at whatever passes, and lets it pass."""
    return any(isinstance(last, ast.Raise) and last.exc is None for last in node.body)


def test_the_story_logs_nothing() -> None:
    """What happens is told by spans and reports; a log line in a step would be a second story."""
    steps = ("build/",)
    assert [name for name, text in FILES.items() if name.startswith(steps) and "logging" in text] == []


@pytest.mark.parametrize("word", ["getattr(", "__getattr__", "import_module("])
def test_no_jump_goes_by_a_string(word: str) -> None:
    """Every jump is a symbol one can click: in the rooms of the story, fields are copied by name in one place only.

    Faults on demand wrap by name what they strike, in a process that was asked for some and nowhere else.
    """
    story = ("build/", "saga/", "lifecycle/", "nodes/", "scheduler/")
    allowed = {"build/record.py", "saga/faults.py"}
    assert [name for name, text in FILES.items() if name.startswith(story) and name not in allowed and word in text] == []
