"""The envelope and the names on the wire."""

import pytest

from kilonova import errors
from kilonova.bus import messages, subjects
from tests.bus.words import Given, Order


def test_a_message_comes_back_as_itself_with_its_handler() -> None:
    packed = messages.pack(Order(server="s1"))
    assert packed.kind == "Order"
    assert messages.pack(packed) is packed
    message, handler = messages.decode({Given: "given", Order: "order"}, messages.headers(packed), packed.body)
    assert (message, handler) == (Order(server="s1"), "order")


def test_every_error_a_user_may_meet_keeps_its_class_and_words() -> None:
    pending = list(errors.KilonovaError.__subclasses__())
    while pending:
        error = pending.pop()
        pending += error.__subclasses__()
        if error.__module__ != errors.__name__:
            continue  # another room's own, which never travels
        packed = messages.pack(error("Said in words."))
        with pytest.raises(error, match="Said in words") as raised:
            messages.decode_reply(Given, messages.headers(packed), packed.body)
        assert type(raised.value) is error


@pytest.mark.parametrize("name", ["host-1", "Host_2", "a.b.example", "nöde", "with space", "*", ">", "=2E", "a=b"])
def test_any_name_is_one_token_and_comes_back(name: str) -> None:
    token = subjects.token(name)
    assert not set(token) & set(".*> /\\\t\r\n") and token
    assert subjects.sender(f"report.{token}") == name


def test_different_names_never_share_a_queue() -> None:
    names = ["a.b", "a=2Eb", "a-b", "a_b", "A.b", "a b"]
    assert len({subjects.queue_subject(subjects.queue("compute", name)) for name in names}) == len(names)


@pytest.mark.parametrize("wrong", ["host-1", "", "other.host-1", "compute."])
def test_what_is_not_a_queue_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError):
        subjects.queue_subject(wrong)
