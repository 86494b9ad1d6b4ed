"""The book of images: records as they were, ids once, what a build gets."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection

from kilonova.errors import BadRequest, Conflict, NotFound
from kilonova.ledger.engine import open_engine
from kilonova.ledger.image_tables import image_members, image_properties, image_tags, images
from kilonova.ledger.image_tasks import image_tasks
from kilonova.ledger.images import Images
from kilonova.ledger.schema import metadata
from kilonova.model.ids import ImageId
from kilonova.model.images import (
    Content,
    Image,
    ImageQuestion,
    ImageStatus,
    Member,
    MemberStatus,
    Moment,
    Viewer,
    Visibility,
)
from kilonova.model.page import Condition, Order, Page

ALICE = Viewer(project_id="alice")
BOB = Viewer(project_id="bob")
ADMIN = Viewer(project_id="ops", is_admin=True)
CONTENT = Content(size=5 << 40, virtual_size=6 << 40, format="qcow2", md5="m" * 32, sha256="a" * 64, sha512="b" * 128)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = open_engine(f"sqlite:///{tmp_path}/ledger.db")
    metadata.create_all(engine, tables=[images, image_tags, image_properties, image_members, image_tasks])
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def book(connection: Connection) -> Images:
    return Images(connection)


def _id(number: int) -> ImageId:
    return ImageId(f"00000000-0000-4000-8000-{number:012}")


def _image(number: int, owner: str = "alice", **values: object) -> Image:
    return msgspec.structs.replace(
        Image(id=_id(number), owner=owner, created_at=float(number), updated_at=float(number)), **values
    )


def _bootable(number: int) -> Image:
    return _image(number, status=ImageStatus.ACTIVE, disk_format="qcow2", container_format="bare", content=CONTENT)


def test_a_record_comes_back_as_it_was(book: Images) -> None:
    full = _image(
        1,
        name="ünï",
        status=ImageStatus.ACTIVE,
        visibility=Visibility.COMMUNITY,
        disk_format="qcow2",
        container_format="bare",
        min_disk=2**31 - 1,
        min_ram=7,
        protected=True,
        os_hidden=True,
        tags=("a", "b"),
        properties={"x": "y" * 65535, "": "odd"},
        content=CONTENT,
        upload="u",
    )
    empty = _image(2)
    book.add(full)
    book.add(empty)
    assert book.get(full.id, ALICE) == full
    assert book.get(empty.id, ALICE) == empty
    changed = msgspec.structs.replace(empty, tags=("z",), properties={"k": "v"}, name="n", upload="w")
    book.replace(changed)
    book.replace(changed)
    assert book.get(empty.id, ALICE) == changed
    assert book.get(full.id, ALICE) == full


def test_an_id_is_never_given_out_again(book: Images) -> None:
    book.add(_bootable(1))
    with pytest.raises(Conflict):
        book.add(_image(1, owner="bob"))
    book.remove(_id(1), 9.0)
    book.remove(_id(1), 9.0)
    with pytest.raises(Conflict):
        book.add(_image(1))
    with pytest.raises(NotFound):
        book.replace(_image(1))
    assert book.with_content() == set()
    assert book.find(ImageQuestion(viewer=ADMIN)) == []


def test_what_needs_care_after_a_crash_is_found(book: Images) -> None:
    book.add(_image(1, status=ImageStatus.SAVING, upload="u"))
    book.add(_bootable(2))
    assert [image.id for image in book.in_status([ImageStatus.SAVING, ImageStatus.UPLOADING])] == [_id(1)]
    assert book.with_content() == {_id(2)}


def test_members(book: Images) -> None:
    book.add(_image(1))
    with pytest.raises(NotFound):
        book.get(_id(1), BOB)
    pending = Member(image_id=_id(1), member_id="bob", created_at=1.0, updated_at=1.0)
    book.set_member(pending)
    book.set_member(msgspec.structs.replace(pending, status=MemberStatus.ACCEPTED, created_at=5.0, updated_at=5.0))
    assert book.members(_id(1)) == [msgspec.structs.replace(pending, status=MemberStatus.ACCEPTED, updated_at=5.0)]
    assert book.get(_id(1), BOB).id == _id(1)
    assert book.remove_member(_id(1), "bob")
    assert not book.remove_member(_id(1), "bob")


def test_find_combines_everything(book: Images) -> None:
    for number in range(1, 7):
        book.add(_image(number, name=None if number % 2 else f"n{number}", tags=("t",), properties={"p": str(number % 3)}))
    question = ImageQuestion(
        viewer=ALICE,
        where=(Condition("visibility", "shared"), Condition("id", tuple(_id(n) for n in (1, 2, 3, 5, 6)), "in")),
        tags=("t",),
        moments=(Moment(field="created_at", comparison="gt", at=1), Moment(field="updated_at", comparison="neq", at=6)),
        page=Page(limit=2, order=(Order("name"), Order("created_at", True))),
    )
    first = book.find(question)
    assert [image.id for image in first] == [_id(5), _id(3)]
    page = msgspec.structs.replace(question.page, marker=first[-1].id)
    assert [image.id for image in book.find(msgspec.structs.replace(question, page=page))] == [_id(2)]
    assert [image.id for image in book.find(ImageQuestion(viewer=ALICE, properties={"p": "0"}, size_min=None))] == [
        _id(3),
        _id(6),
    ]
    with pytest.raises(BadRequest):
        book.find(ImageQuestion(viewer=BOB, page=Page(marker=_id(1))))


def test_what_a_build_gets(book: Images) -> None:
    book.add(_bootable(1))
    boot = book.for_boot(_id(1), ALICE)
    assert (boot.disk_format, boot.size, boot.virtual_size, boot.sha256) == (
        "qcow2",
        CONTENT.size,
        CONTENT.virtual_size,
        CONTENT.sha256,
    )
    with pytest.raises(NotFound):
        book.for_boot(_id(1), BOB)
    book.replace(msgspec.structs.replace(_bootable(1), status=ImageStatus.DEACTIVATED))
    with pytest.raises(BadRequest, match="not active"):
        book.for_boot(_id(1), ALICE)
    book.replace(msgspec.structs.replace(_bootable(1), disk_format="raw"))
    with pytest.raises(BadRequest, match="declared raw but the content is qcow2"):
        book.for_boot(_id(1), ALICE)
