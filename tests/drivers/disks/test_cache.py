"""One download for many builds, no half image, and room when it is needed."""

import asyncio
import os
from pathlib import Path

import pytest

from kilonova.drivers.disks.cache import ImageCache
from kilonova.errors import BuildFailed, Unavailable
from tests.drivers.builds import FileFetch, image_of, no_progress


@pytest.fixture
def cache(tmp_path: Path, fetch: FileFetch) -> ImageCache:
    return ImageCache(tmp_path / "cache", fetch, limit_bytes=1000)


async def test_builds_of_one_image_share_one_download(cache: ImageCache, fetch: FileFetch, tmp_path: Path) -> None:
    image = fetch.offer(image_of(b"x" * 100), b"x" * 100)
    await asyncio.gather(*(cache.link(image, f"t{n}", tmp_path / f"link{n}", no_progress) for n in range(20)))
    assert fetch.fetched == [(image.id, "t0")]
    assert all((tmp_path / f"link{n}").read_bytes() == b"x" * 100 for n in range(20))


async def test_a_failed_download_does_not_spoil_the_next(cache: ImageCache, fetch: FileFetch, tmp_path: Path) -> None:
    image = fetch.offer(image_of(b"x" * 100), b"x" * 100)
    fetch.failures = [Unavailable("broken off")]
    outcomes = await asyncio.gather(
        *(cache.link(image, f"t{n}", tmp_path / f"link{n}", no_progress) for n in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [Unavailable, type(None), type(None)]
    assert [ticket for _, ticket in fetch.fetched] == ["t0", "t1"]
    assert sorted(os.listdir(tmp_path / "cache")) == [image.sha256]
    assert not (tmp_path / "link0").exists()


async def test_wrong_bytes_never_get_into_the_cache(cache: ImageCache, fetch: FileFetch, tmp_path: Path) -> None:
    good = b"x" * 100
    for wrong in (b"y" * 100, b"x" * 99, b"x" * 101):
        image = fetch.offer(image_of(good), wrong)
        with pytest.raises(BuildFailed):
            await cache.link(image, "t", tmp_path / "link", no_progress)
        assert os.listdir(tmp_path / "cache") == []
        assert not (tmp_path / "link").exists()


async def test_a_checksum_is_not_a_path(cache: ImageCache, fetch: FileFetch, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed):
        await cache.link(image_of(b"x", sha256="../../etc/passwd"), "t", tmp_path / "link", no_progress)
    assert fetch.fetched == []


async def test_the_longest_unused_go_first_and_those_in_use_stay(cache: ImageCache, fetch: FileFetch, tmp_path: Path) -> None:
    images = [fetch.offer(image_of(bytes([n]) * 400), bytes([n]) * 400) for n in range(5)]
    for n, image in enumerate(images):
        await cache.link(image, "t", tmp_path / f"link{n}", no_progress)
        os.utime(tmp_path / "cache" / image.sha256, (n, n))
    assert len(os.listdir(tmp_path / "cache")) == 5  # all are in use
    for n in (0, 1, 2, 3):
        (tmp_path / f"link{n}").unlink()
    await cache.link(images[0], "t", tmp_path / "again", no_progress)  # used just now
    (tmp_path / "again").unlink()
    cache.evict()
    assert set(os.listdir(tmp_path / "cache")) == {images[n].sha256 for n in (0, 3, 4)}


async def test_a_cancelled_download_leaves_nothing_and_the_next_goes_on(tmp_path: Path) -> None:
    image = image_of(b"x" * 100)
    reached = asyncio.Event()

    class Stuck(FileFetch):
        async def fetch(self, *words: object) -> None:
            if not self.fetched:
                self.fetched.append(("", ""))
                Path(str(words[2])).write_bytes(b"half")
                reached.set()
                await asyncio.sleep(60)
            await super().fetch(*words)  # type: ignore[arg-type]

    fetch = Stuck()
    fetch.offer(image, b"x" * 100)
    cache = ImageCache(tmp_path / "cache", fetch, 1000)
    first = asyncio.create_task(cache.link(image, "t0", tmp_path / "link0", no_progress))
    await reached.wait()
    second = asyncio.create_task(cache.link(image, "t1", tmp_path / "link1", no_progress))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert first.cancelled() or (await asyncio.wait([first]), first.cancelled())[1]
    assert os.listdir(tmp_path / "cache") == [image.sha256]
    assert (tmp_path / "link1").exists() and not (tmp_path / "link0").exists()
