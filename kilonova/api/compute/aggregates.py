"""Host aggregates: there are none, and none can be made. Clients that show a hypervisor ask for them all the same."""

from kilonova.api.call import Answer, Call


async def index(call: Call) -> Answer:
    return Answer(200, {"aggregates": []})
