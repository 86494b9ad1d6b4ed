"""Each kind of finding is planted, found by its id, mended, and gone; nothing else is touched. What is not to be mended stays."""

import ast
import re
import time
from pathlib import Path
from typing import Any

import pytest

import kilonova
from kilonova.cli.audit import repair_lines
from kilonova.lifecycle.audit.kinds import KINDS
from kilonova.nodes.repair.at_nodes import AT_NODES
from kilonova.nodes.repair.repair import IMAGES, IN_LEDGER, QUEUES
from kilonova.sim import SimulatedCloud
from tests.story.conftest import CloudOf
from tests.story.plants import PLANTS, Plant
from tests.story.plants_more import a
from tests.story.scenes import everything, scene_of, sql

ROOT = Path(kilonova.__file__).parent


async def _repair(cloud: SimulatedCloud, unknown: bool = False) -> dict[str, Any]:
    path = "/internal/audit/repair" + ("?unknown=yes" if unknown else "")
    answer = await cloud.send("POST", path)
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return report


@pytest.mark.parametrize("kind", PLANTS)
async def test_what_is_planted_is_found_and_mended(cloud_of: CloudOf, kind: str) -> None:
    plant = PLANTS[kind]
    cloud = await cloud_of(**{"hosts": 1, **plant.cloud})
    scene = await scene_of(cloud)
    if plant.prepare is not None:
        await plant.prepare(cloud, scene)
    before = await everything(cloud)
    about = await plant.plant(cloud, scene)
    planted = await everything(cloud)
    found = [(one.kind, one.about) for one in await cloud.audit()]
    assert found == [(kind, about)]
    if plant.unknown:
        await _is_left_alone(cloud, kind, about, planted)
    report = await _repair(cloud, plant.unknown)
    assert [(one["kind"], one["about"]) for one in report["before"]["findings"]] == [(kind, about)]
    if plant.left:
        assert not any(one["done"] for one in report["mended"])
        assert [(one["kind"], one["about"]) for one in report["after"]["findings"]] == [(kind, about)]
        assert await everything(cloud) == planted
        return
    assert {(one["kind"], one["about"], one["done"]) for one in report["mended"]} == {(kind, about, True)}
    assert report["after"]["findings"] == []
    await _nothing_else(cloud, plant, before, planted)
    again = await _repair(cloud, plant.unknown)
    assert again["mended"] == []
    assert len(repair_lines(report)) == 2


async def _is_left_alone(cloud: SimulatedCloud, kind: str, about: str, planted: Any) -> None:
    """Without the word."""
    report = await _repair(cloud)
    assert [(one["kind"], one["about"], one["done"]) for one in report["mended"]] == [(kind, about, False)]
    assert "--unknown" in report["mended"][0]["text"]
    assert await everything(cloud) == planted


async def _nothing_else(cloud: SimulatedCloud, plant: Plant, before: Any, planted: Any) -> None:
    """All is as it was, but for what the mending itself changes; the last word of an order comes after what it says is so."""
    then = planted if plant.stays else before

    async def orders_are_over() -> bool:
        return "orders" in plant.changes or (await everything(cloud))["orders"] == then["orders"]

    await cloud.until(orders_are_over, "the orders of the repair to be over")
    now = await everything(cloud)
    changed = {name for name in now if now[name] != then[name]}
    assert changed <= plant.changes, {name: (then[name], now[name]) for name in changed - plant.changes}


def test_every_kind_has_a_plant_and_what_is_done_about_it_is_said() -> None:
    assert set(PLANTS) == set(KINDS)
    acted_on = {*AT_NODES, *IN_LEDGER, *IMAGES, *QUEUES, "order overdue"}
    assert {kind for kind, known in KINDS.items() if known.mended} == acted_on
    assert {kind for kind, plant in PLANTS.items() if plant.left} == set(KINDS) - acted_on


def test_every_kind_in_the_code_is_one_of_them() -> None:
    patterns = set(_kinds_in_code())
    assert len(patterns) > 40
    unknown = [pattern for pattern in patterns if not any(re.fullmatch(pattern, kind) for kind in KINDS)]
    assert unknown == []
    silent = [kind for kind in KINDS if not any(re.fullmatch(pattern, kind) for pattern in patterns)]
    assert silent == []


def _kinds_in_code() -> list[str]:
    """As regular expressions: every `kind` of a Finding or a Loose, and every string that a kind is chosen from."""
    files = [*(ROOT / "lifecycle" / "audit").glob("*.py"), ROOT / "ledger" / "audit_rows.py", ROOT / "nodes" / "audit_images.py"]
    found = []
    for file in files:
        if file.name == "kinds.py":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Finding", "Loose"):
                kind = next(word.value for word in node.keywords if word.arg == "kind")
                found += _patterns(kind, file)
    return found


def _patterns(kind: ast.expr, file: Path) -> list[str]:
    if isinstance(kind, ast.Constant):
        return [re.escape(str(kind.value))]
    if isinstance(kind, ast.JoinedStr):
        return ["".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"\w+" for part in kind.values)]
    words = [node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)]
    return [re.escape(word) for word in words if isinstance(word, str) and word in KINDS]


def test_the_handbook_has_every_kind() -> None:
    page = (ROOT.parent / "docs" / "operating.md").read_text().partition("## The audit")[2].partition("\n## ")[0]
    table = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", page, re.M)[1:]
    assert table == [(kind, known.means, known.mended or "*by hand*") for kind, known in KINDS.items()]


async def test_a_network_node_newer_than_the_ledger_takes_plans_again(cloud_of: CloudOf) -> None:
    """A ledger that was restored from a backup: what is changed then has an older revision than what the node holds."""
    cloud = await cloud_of(hosts=1, build_limit_s=602.0)
    scene = await scene_of(cloud)
    await a("group")(cloud, scene)
    memory, group = cloud.network.node.network._heard, scene.kept["thing"]
    memory.put(f"group/{group}", "99")
    await cloud.ledger.write(lambda tx: tx.fabric.changed("group", [group]))
    await cloud.restart("network")

    async def taken_again() -> bool:
        found = await sql(cloud, "SELECT wanted, settled FROM fabric WHERE id = :id", id=group)
        heard = cloud.network.node.network._heard.words[f"group/{group}"]
        return found[0][0] > 99 and bool(found[0][1]) and heard == str(found[0][0])

    await cloud.until(taken_again, "the plan to be taken again")
    assert await cloud.clean() == []


async def test_bytes_of_an_image_that_has_just_gone_are_left_alone(cloud_of: CloudOf) -> None:
    """A backup was rotated out: control tidies its bytes away a moment later, and until then nothing is wrong."""
    cloud = await cloud_of(hosts=1, build_limit_s=603.0)
    image_id = cloud.furnished.image_id
    await cloud.ledger.write(lambda tx: tx.images.remove(image_id, time.time()))
    assert await cloud.audit() == []
    await sql(cloud, "UPDATE images SET deleted_at = 1.0")
    assert [(one.kind, one.about) for one in await cloud.audit()] == [("bytes without image", image_id)]
    assert (await _repair(cloud))["after"]["findings"] == []
    assert not (cloud.folder / "images" / "data" / image_id[:2] / image_id).exists()
