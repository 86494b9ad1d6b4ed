"""The guest's two readers, run by the guest's own busybox: JSON and the plain forms of #cloud-config."""

import json
import subprocess
from pathlib import Path

import pytest

from kilonova.guestimage.tree import SCRIPTS


def _awk(busybox: Path, script: str, text: str) -> tuple[int, list[str]]:
    words = [str(busybox), "awk", "-f", str(SCRIPTS / script)]
    done = subprocess.run(words, input=text.encode(), capture_output=True, timeout=30)
    return done.returncode, done.stdout.decode().splitlines()


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_json_reads_what_python_writes(busybox: Path, indent: int | None, ascii_only: bool) -> None:
    document = {
        "empty": {"list": [], "object": {}, "string": ""},
        "numbers": [1, -2.5, 1e30, True, None],
        "public_keys": {"a key": "ssh-ed25519 AAAA/+== me@x", 'quo"te': "ssh-rsa B\nssh-rsa C\n"},
        "text": "tab\there \\ \u00fc \u20ac \U0001f600 }{][,:",
        "uuid": "5d4a5ad6",
    }
    rc, lines = _awk(busybox, "json.awk", json.dumps(document, indent=indent, ensure_ascii=ascii_only))
    assert rc == 0
    assert lines == [
        "empty.string\t",
        *[f"numbers.{index}\t{word}" for index, word in enumerate(("1", "-2.5", "1e+30", "true", "null"))],
        "public_keys.a key\tssh-ed25519 AAAA/+== me@x",
        'public_keys.quo"te\tssh-rsa B\\nssh-rsa C\\n',
        "text\ttab\\there \\\\ \u00fc \u20ac \U0001f600 }{][,:",
        "uuid\t5d4a5ad6",
    ]


def test_json_escapes_python_does_not_write(busybox: Path) -> None:
    assert _awk(busybox, "json.awk", r'{"a":"x\/y\u003dz\u002D"}') == (0, ["a\tx/y=z-"])


@pytest.mark.parametrize("text", ["", "{", '{"a"', '{"a": "b', '{"a" "b"}', "[1 2]", "<html>"])
def test_json_refuses_what_is_none(busybox: Path, text: str) -> None:
    assert _awk(busybox, "json.awk", text)[0] != 0


def test_cloud_config_plain_forms(busybox: Path) -> None:
    text = """#cloud-config
# a comment
hostname: "foo"
ssh_authorized_keys:
  - ssh-ed25519 AAAA me@x
runcmd:
- echo one  # why
- 'echo ''two'''
- [ echo, "a b", c ]
- |
  if true; then
    echo three
  fi
- "echo \\"four\\""
write_files:
  - path: /x
    content: y
"""
    rc, lines = _awk(busybox, "cloud-config.awk", text)
    assert rc == 0
    assert lines[:2] == ["hostname\tfoo", "key\tssh-ed25519 AAAA me@x"]
    runs = ["echo one", "echo 'two'", ' echo "a b" c ', "if true; then", "  echo three", "fi", 'echo "four"']
    assert lines[2:] == [*(f"run\t{run}" for run in runs), "other\twrite_files"]
