"""THE STORY: one server, from a request to a running guest. Nothing else in this program orders these steps.

    1  A client asks the API for a server.                                              client  → control
    2  The API checks: who are you, may you, is it sound, is there room in the quota?   control    admit.py
    3  The scheduler works out where the server should go.                              control    place.py
    4  A message is dropped into the queue of that one compute node.                    control → bus
    5  The API answers. The client is free to do other things.                          control → client
    6  The compute node takes the message; the database learns of it; block devices.    compute    prepare.py
    7  A message for the network node's queue, and the wait.                            compute → network   connect.py
    8  The details come back. Last adjustments, and the guest is started.               network → compute   start.py
    9  It runs, or it does not: the database is updated, and the news goes out.         compute → control   start.py, giveup.py

Steps 2 to 4 are one transaction: all of it is there, or nothing is. Steps 6 to 9 are a saga, journalled on the node: what is
done is remembered across a crash, and what was done is undone, last first, when a step fails.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from kilonova.build.admit import Admitted, OrderWorld, check_request, check_rights, reserve_quota
from kilonova.build.connect import ask_for_network, release_network
from kilonova.build.needs import ComputeWorld
from kilonova.build.place import Seat, choose_host, claim_host, give_addresses, queue_order, record_server
from kilonova.build.prepare import assemble_disks, remove_disks, take_order
from kilonova.build.record import Placed
from kilonova.build.start import destroy_guest, report_running, start_guest
from kilonova.build.wish import Ordered, Wish
from kilonova.model.span import Span
from kilonova.saga import Chain, Saga
from kilonova.saga.chain import Stopwatch

ADMIT = (                                          # once per request, in the order transaction
    Chain.starting_with(Wish, OrderWorld)
    .then(check_request)                           # 2
    .then(check_rights)                            # 2
    .then(reserve_quota)                           # 2
)  # fmt: skip

PLACE = (                                          # once per server, in the same transaction
    Chain.starting_with(Seat, OrderWorld)
    .then(choose_host)                             # 3
    .then(claim_host)                              # 3
    .then(give_addresses)                          # 4
    .then(record_server)                           # 4
    .then(queue_order)                             # 4   → the queue of that one compute node
)  # fmt: skip

CARRY_OUT = (                                      # on the compute node, journalled
    Saga.starting_with(Placed, ComputeWorld, name="build", at="compute")
    .then(take_order)                              # 6   nothing is made yet, so there is nothing to undo
    .then(assemble_disks, undo=remove_disks, unsure=True)   # 6   hypervisor; a volume may be served unheard
    .then(ask_for_network, undo=release_network)   # 7   → the network node's queue, and waits
    .then(start_guest, undo=destroy_guest)         # 8
    .then(report_running)                          # 9   → ledger, then the news: start.announce_running
)  # fmt: skip

STEP_OF = {
    "check_request": 2, "check_rights": 2, "reserve_quota": 2, "choose_host": 3, "claim_host": 3,
    "give_addresses": 4, "record_server": 4, "queue_order": 4,
    "take_order": 6, "assemble_disks": 6, "ask_for_network": 7, "start_guest": 8, "report_running": 9, "announce_running": 9,
}  # fmt: skip
"""Which of the nine steps each function belongs to: what a trace is drawn by."""


class Timed(Stopwatch, Protocol):
    """A stopwatch that also tells what it has timed so far."""

    def spans(self) -> tuple[Span, ...]: ...


def order(wish: Wish, world: OrderWorld, watch: Timed, seen: Callable[[str], Sequence[str]]) -> Ordered:
    """Steps 2 to 4 for every server of one request. `seen` gives what an earlier request with the same key has made."""
    if wish.idempotency_key and (before := seen(wish.idempotency_key)):
        return Ordered(server_ids=tuple(before), reservation_id="")
    admitted: Admitted = ADMIT.run(wish, world, watch)
    for request in admitted.servers:
        PLACE.run(Seat(wish=wish, nics=admitted.nics, request=request, spans=watch.spans), world, watch)
    first = admitted.servers[0]
    return Ordered(server_ids=tuple(s.server_id for s in admitted.servers), reservation_id=first.reservation_id)
