"""For all tests: what may run side by side, and which skips CI accepts.

With pytest-xdist's ``--dist loadgroup`` the tests of one file stay together, and whatever uses the machine as a whole (its
network namespaces, all of its processors) runs one after the other. Without xdist nothing changes.
"""

import gc
import os
import signal
from collections.abc import Sequence

import pytest

from tests import skips
from tests.api.answers import GuardOfRoutes

USES_THE_MACHINE = ("root", "guest", "cloud")
_skipped: pytest.StashKey[dict[str, str]] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # So a shell has it for what it starts with `&`, and children would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[_skipped] = {}
    config.pluginmanager.register(_Skips(config.stash[_skipped]))
    config.pluginmanager.register(GuardOfRoutes(config))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        alone = any(item.get_closest_marker(mark) for mark in USES_THE_MACHINE)
        item.add_marker(pytest.mark.xdist_group("machine" if alone else item.nodeid.partition("::")[0]))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What has been imported and collected stays: the search for garbage, also that of pytest at its end, leaves it out."""
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _refused(session.config) and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for name, reason in _refused(config).items():
        terminalreporter.write_line(f"CI does not accept this skip (see tests/allowed_skips.txt): {name}: {reason}", red=True)


def _refused(config: pytest.Config) -> dict[str, str]:
    """Skips that CI does not accept; elsewhere, and in the workers of xdist, none."""
    if os.environ.get("CI") != "true" or hasattr(config, "workerinput"):
        return {}
    skipped = config.stash[_skipped]
    return skips.refused(skipped, skips.allowed())


class _Skips:
    """Notes each skip: of a test, or of a whole file."""

    def __init__(self, found: dict[str, str]) -> None:
        self._found = found

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self._found[report.nodeid.partition("@")[0]] = reason.removeprefix("Skipped: ")
