"""/messages, since 3.3: why something that was accepted was not done."""

from kilonova.api.call import Answer, Call
from kilonova.api.volume import views
from kilonova.api.volume.listing import keys, read_pages, show_page
from kilonova.model.page import Condition
from kilonova.model.volume import Message

SORT_KEYS = keys(
    "id", "request_id", "resource_type", "event_id", "created_at",
    guaranteed_until="until", resource_uuid="resource_id", message_level="level",
)  # fmt: skip
FILTERS = keys("request_id", "event_id", "resource_type", resource_uuid="resource_id", message_level="level")


async def list_messages(call: Call) -> Answer:
    page = read_pages(call, SORT_KEYS)
    where = [Condition(field, values[-1]) for name, field in FILTERS.items() if (values := call.query.get(name))]
    found = await call.world.ledger.read(lambda books: books.volumes.messages.find(where, page, call.who))
    return show_page(call, "messages", [_view(call, one) for one in found], page)


async def show(call: Call) -> Answer:
    found = await call.world.ledger.read(lambda books: books.volumes.messages.get(call.path["message_id"], call.who))
    return Answer(200, {"message": _view(call, found)})


async def delete(call: Call) -> Answer:
    await call.world.ledger.write(lambda books: books.volumes.messages.remove(call.path["message_id"], call.who))
    return Answer(204)


def _view(call: Call, one: Message) -> views.View:
    return {
        "id": one.id,
        "request_id": one.request_id,
        "resource_type": one.resource_type,
        "resource_uuid": one.resource_id,
        "event_id": one.event_id,
        "message_level": one.level,
        "user_message": one.text,
        "created_at": views.stamp(one.created_at),
        "guaranteed_until": views.stamp(one.until),
        "links": views.links(call, "messages", one.id),
    }
