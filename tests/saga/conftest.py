"""Sagas are tried on a loop that skips every pause."""

from kilonova.sim import SkippingLoop


def pytest_asyncio_loop_factories() -> dict[str, type[SkippingLoop]]:
    return {"skipping": SkippingLoop}
