"""The stock command line: tokens, the catalogue, projects, users, roles, and who may what."""

import json
from typing import Any

import openstack
import pytest

from tests.clients.session import Session
from tests.cloud.running import Cloud

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.usefixtures("nothing_left")]
TWICE = pytest.mark.parametrize("turn", ["first", "second"])
SERVICES = {"block-storage", "compute", "identity", "image", "network", "placement", "volumev3"}


def test_a_token_and_the_catalogue(osc: Session) -> None:
    token = osc.show("token", "issue")
    assert token["id"].startswith("gAAAA") and len(token["project_id"]) == len(token["user_id"]) == 32
    catalogue = osc.rows("catalog", "list")
    assert {row["Type"] for row in catalogue} == SERVICES
    assert {point["interface"] for row in catalogue for point in row["Endpoints"]} == {"public", "internal", "admin"}
    compute = osc.show("catalog", "show", "compute")
    assert compute["name"] == "nova" and all(point["url"].endswith("/compute/v2.1") for point in compute["endpoints"])
    versions = osc.rows("versions", "show")
    assert {row["Service Type"] for row in versions if row["Status"] == "CURRENT"} == SERVICES - {"volumev3"}  # one service, once
    (compute_version,) = (row for row in versions if row["Service Type"] == "compute" and row["Status"] == "CURRENT")
    assert (compute_version["Min Microversion"], compute_version["Max Microversion"]) == ("2.1", "2.104")


def test_domains(osc: Session) -> None:
    assert osc.names("domain", "list") == ["Default"]
    assert osc.show("domain", "show", "default")["name"] == "Default"
    assert "nowhere" in osc.refused("domain", "show", "nowhere")


@TWICE
def test_projects_and_users(osc: Session, turn: str) -> None:
    project = osc.show("project", "create", "--description", "d", "--tag", "t", "red")
    assert (project["name"], project["description"], project["tags"], project["enabled"]) == ("red", "d", ["t"], True)
    osc("project", "set", "--description", "e", "--tag", "u", "--name", "rouge", "red")
    shown = osc.show("project", "show", "rouge")
    assert (shown["id"], shown["description"], sorted(shown["tags"])) == (project["id"], "e", ["t", "u"])
    assert "rouge" in osc.names("project", "list")
    assert osc.names("project", "list", "--tags", "u") == ["rouge"]
    assert "Conflict" in osc.refused("project", "create", "rouge")

    user = osc.show("user", "create", "--password", "let-me-in", "--project", "rouge", "ann")
    assert (user["name"], user["default_project_id"], user["enabled"]) == ("ann", project["id"], True)
    osc("user", "set", "--email", "ann@example.org", "--description", "a person", "ann")
    shown = osc.show("user", "show", "ann")
    assert (shown["email"], shown["description"]) == ("ann@example.org", "a person")
    assert "ann" in osc.names("user", "list")

    osc("user", "delete", "ann")
    osc("project", "delete", "rouge")
    assert "rouge" in osc.refused("project", "show", "rouge") and "ann" in osc.refused("user", "show", "ann")


@TWICE
def test_roles_decide_what_a_user_may(osc: Session, turn: str) -> None:
    osc("project", "create", "red")
    osc("user", "create", "--password", "let-me-in", "ann")
    assert osc.show("role", "create", "gardener")["name"] == "gardener"
    osc("role", "set", "--name", "florist", "gardener")
    assert osc.show("role", "show", "florist")["name"] == "florist"
    assert {"admin", "member", "reader", "florist"} <= set(osc.names("role", "list"))

    ann = ("--os-username", "ann", "--os-password", "let-me-in", "--os-project-name", "red")
    assert "401" in osc.refused(*ann, "token", "issue")
    for role in ("florist", "reader"):
        osc("role", "add", "--user", "ann", "--project", "red", role)
    given = osc.rows("role", "assignment", "list", "--names", "--user", "ann")
    assert sorted((row["Role"], row["User"], row["Project"]) for row in given) == [
        ("florist", "ann@Default", "red@Default"),
        ("reader", "ann@Default", "red@Default"),
    ]
    assert osc(*ann, "server", "list", "-f", "csv").splitlines() == ['"ID","Name","Status","Networks","Image","Flavor"']
    assert "403" in osc.refused(*ann, "network", "create", "mine")
    assert "403" in osc.refused(*ann, "project", "create", "mine")
    osc("role", "remove", "--user", "ann", "--project", "red", "reader")
    assert "403" in osc.refused(*ann, "server", "list")
    osc("user", "set", "--disable", "ann")
    assert "401" in osc.refused(*ann, "token", "issue")

    osc("role", "delete", "florist")
    osc("user", "delete", "ann")
    osc("project", "delete", "red")


def test_a_wrong_password(osc: Session) -> None:
    assert "401" in osc.refused("--os-password", "wrong", "token", "issue")


def with_credential(cloud: Cloud, made: dict[str, Any]) -> Any:
    """A connection of a program that was handed an application credential."""
    config = openstack.config.OpenStackConfig(config_files=[], load_yaml_config=False, load_envvars=False)
    auth = {
        "auth_url": f"http://{cloud.listen}/identity/v3",
        "application_credential_id": made["ID"],
        "application_credential_secret": made["Secret"],
    }
    region = config.get_one(auth_type="v3applicationcredential", auth=auth, region_name="RegionOne")
    return openstack.connection.Connection(config=region)


@TWICE
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")  # the SDK of itself
def test_application_credentials(osc: Session, cloud: Cloud, turn: str) -> None:
    rules = json.dumps([{"service": "compute", "method": "GET", "path": "/v2.1/servers/detail"}])
    free = osc.show("application", "credential", "create", "--role", "reader", "--description", "for CI", "robot")
    tied = osc.show("application", "credential", "create", "--secret", "s3cret", "--access-rules", rules, "watcher")
    assert (free["Name"], free["Description"], free["Unrestricted"]) == ("robot", "for CI", False)
    assert sorted(osc.names("application", "credential", "list")) == ["robot", "watcher"]
    assert "Secret" not in osc.show("application", "credential", "show", "watcher")

    robot, watcher = with_credential(cloud, free), with_credential(cloud, tied)
    assert list(robot.compute.servers()) == list(watcher.compute.servers()) == []
    assert [network.name for network in robot.network.networks()] == ["default"]
    with pytest.raises(openstack.exceptions.HttpException, match="401"):
        list(watcher.network.networks())
    with pytest.raises(openstack.exceptions.ForbiddenException):
        robot.compute.create_flavor(name="x", ram=1, vcpus=1, disk=1)
    robot.close()
    watcher.close()

    (rule,) = osc.rows("access", "rule", "list")
    assert (rule["Service"], rule["Method"], rule["Path"]) == ("compute", "GET", "/v2.1/servers/detail")
    assert "403" in osc.refused("access", "rule", "delete", rule["ID"])
    osc("application", "credential", "delete", "robot", "watcher")
    osc("access", "rule", "delete", rule["ID"])


@TWICE
def test_kept_secrets_trusts_and_limits(osc: Session, turn: str) -> None:
    osc("user", "create", "--password", "let-me-in", "bob")
    kept = osc.show("credential", "create", "--type", "cert", "bob", "a secret")
    assert osc.show("credential", "show", kept["id"])["blob"] == "a secret"
    osc("credential", "delete", kept["id"])
    keys = osc.show("ec2", "credentials", "create")
    assert [row["Access"] for row in osc.rows("ec2", "credentials", "list")] == [keys["access"]]
    osc("ec2", "credentials", "delete", keys["access"])

    trust = osc.show("trust", "create", "--project", "admin", "--role", "reader", "admin", "bob")
    assert trust["id"] in [row["ID"] for row in osc.rows("trust", "list")]
    osc("trust", "delete", trust["id"])
    limit = osc.show("registered", "limit", "create", "--service", "compute", "--default-limit", "20", "cores")
    own = osc.show("limit", "create", "--project", "admin", "--service", "compute", "--resource-limit", "5", "cores")
    assert (limit["default_limit"], own["resource_limit"]) == (20, 5)
    osc("limit", "delete", own["id"])
    osc("registered", "limit", "delete", limit["id"])
    osc("user", "delete", "bob")
