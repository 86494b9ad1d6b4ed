"""Every kind of finding, in words: what it means, and what `--repair` does about it. docs/operating.md has it as a table."""

from msgspec import Struct


class Kind(Struct, frozen=True):
    """`mended` says how; empty: a repair leaves it to a person, and `means` says why."""

    means: str
    mended: str = ""


_PLAN = "a node is told the plan of each again until it has confirmed it"

KINDS: dict[str, Kind] = {
    # What servers hold in the ledger.
    "claim without server": Kind("room on a host is held for a server that is gone", "the room is given back"),
    "claim elsewhere": Kind(
        "a server's room is held on another host than it is on",
        "it is held on the server's host instead, unless its guest is where the claim is: then the ledger contradicts itself",
    ),
    "server without claim": Kind("a server's room is not counted", "it is held again"),
    "host counters": Kind("a host's counters are not the sum of its claims", "they are counted again"),
    "quota": Kind("a server counts for another size against its project's quota than it has", "its size is written down again"),
    "build without order": Kind(
        "a server is in BUILD and nobody was told", "ordered again while its deadline is ahead, else ERROR with the reason"
    ),
    "task without order": Kind(
        "a server has a task state and nobody was told",
        "as at a deadline: ERROR with the reason; of an image only the image is lost",
    ),
    "removal without order": Kind("a server is deleting and nobody was told", "its removal is ordered again"),
    "order without server": Kind("a build is ordered for a server that is gone", "the order is ended"),
    "order overdue": Kind("an order was not ended a minute after its deadline", "the sweeper ends it"),
    "order that is nowhere": Kind("an order is in no queue and no journal", "it is sent again"),
    "action without end": Kind(
        "a server's history has an action that goes on, and nothing does", "it is ended, with that reason"
    ),
    "resize without order": Kind("a move of a server has not ended, and nothing goes on", "its status becomes error"),
    "group member without server": Kind("a server group has a member that never was", "the member goes"),
    "port without server": Kind("a port belongs to a server that is gone", "released: one made for the server goes"),
    "port of a failed server": Kind("a server that failed, and has no host, has a port", "released"),
    "port on another host": Kind("a port is bound to another host than its server is on", "bound to the server's host"),
    # What nodes have.
    "silent node": Kind("a node was heard of lately and does not answer: see why"),
    "guest without server": Kind("the guest of a deleted server", "removed as a leftover, as at a node's hello"),
    "disks without server": Kind("the disks of a deleted server", "removed as a leftover"),
    "wire without server": Kind("the wires of a deleted server", "cut, as at a node's hello"),
    "unknown guest": Kind("a guest that the ledger never heard of", "with `--unknown` only: removed as a leftover"),
    "unknown disks": Kind("disks that the ledger never heard of", "with `--unknown` only: removed as a leftover"),
    "unknown wire": Kind("wires that the ledger never heard of", "with `--unknown` only: cut"),
    "unknown saga": Kind(
        "work for a server that the ledger never heard of", "with `--unknown` only: stopped and undone as at a server's removal"
    ),
    "guest of a failed server": Kind(
        "a build failed, and its guest is there", "removed as a leftover; the server stays in ERROR"
    ),
    "disks of a failed server": Kind(
        "a build failed, and its disks are there", "removed as a leftover; the server stays in ERROR"
    ),
    "guest on the wrong host": Kind("a guest of a server that is elsewhere", "removed as a leftover, unless its claim is there"),
    "disks on the wrong host": Kind("disks of a server that is elsewhere", "removed as a leftover, unless its claim is there"),
    "active without guest": Kind("a server is ACTIVE or PAUSED and its guest does not run", "SHUTOFF, as at a node's hello"),
    "active without disks": Kind("a server is ACTIVE and has no disks: they must be looked for, or the server rebuilt"),
    "active without wire": Kind("a server is ACTIVE and no network node has its ports: a hard reboot wires it again"),
    "stopped with guest": Kind("a server is SHUTOFF and its guest runs", "ACTIVE, as at a node's hello"),
    "disks of a resize that is over": Kind("a second set of disks is kept for no resize or rescue", "dropped"),
    "resized without its old disks": Kind("a resized server cannot go back: it can only be confirmed"),
    "process of nobody": Kind("a QEMU runs for a server that no host has", "ended, if the server is deleted"),
    "saga without server": Kind("a node works for a server that is deleted", "its removal is ordered, which stops and undoes it"),
    "saga overdue": Kind("a node has not ended work a minute after its deadline: see its log, start it again"),
    "report nobody takes": Kind("control has not confirmed a node's last word for a minute", "the node says it again"),
    # Networks.
    **{
        name: Kind(means, _PLAN)
        for kind, noun in (("router", "a router"), ("group", "a security group"), ("network", "an external network"))
        for name, means in (
            (f"{kind} not on the node", f"{noun} was confirmed, and the network node does not have it"),
            (f"{kind} of nobody", f"the network node has {noun} that the ledger has not"),
            (f"{kind} in another revision", f"the network node has {noun} in another revision than it has confirmed"),
        )
    },
    "plan of nobody": Kind("the network node is to have a router, group or network that is gone", "the plan is ended"),
    "remains of a network": Kind("a namespace, link or DHCP folder of this cloud that no network owns", "taken down"),
    "router port without router": Kind("a port of a router that is gone", "the port goes, its address is free"),
    "floating IP port without floating IP": Kind("the port of a floating IP that is gone", "the port goes, its address is free"),
    "floating IP to nowhere": Kind(
        "a floating IP leads to an address that no port has", "it leads nowhere, and can be used again"
    ),
    "address both free and taken": Kind("a port has an address that is kept to be given again", "it is not kept any more"),
    "addresses lost": Kind(
        "addresses of a subnet are nobody's and would never be given again", "they are kept to be given again"
    ),
    "tags of nobody": Kind("tags of a network, port, … that is gone", "the tags go"),
    # Volumes and images.
    "volume without files": Kind("a volume's node has none of it: it must be looked for, or the volume deleted"),
    "volume files without volume": Kind(
        "a whole volume that the ledger has not", "with `--unknown` only: its deletion is ordered"
    ),
    "half a volume": Kind("a folder that work on a volume has left", "removed"),
    "volume served to nobody": Kind(
        "a volume is served to an attachment that is over",
        "no longer served, as at a node's hello if nobody is connected; while a node has anything unknown, with `--unknown` only",
    ),
    "volume status": Kind("a volume's status is not what it is attached to", "it is"),
    "volume work without order": Kind(
        "work on a volume goes on in its status only", "as if its node had said that it failed; a deletion is ordered again"
    ),
    "snapshot work without order": Kind(
        "work on a snapshot goes on in its status only", "as if its node had said that it failed; a deletion is ordered again"
    ),
    "snapshot without record": Kind(
        "a snapshot in a volume's file that the ledger has not", "with `--unknown` only: its deletion is ordered"
    ),
    "snapshot without bytes": Kind("a snapshot that its volume's file does not have: it can only be deleted"),
    "attachment without server": Kind("a volume is attached to a server that is gone", "released, as when the server goes"),
    "attachment without order": Kind("a volume is attaching or detaching and nobody was told", "as it was before"),
    "metadata of nobody": Kind("metadata of a volume or snapshot that is gone", "the metadata goes"),
    "image without bytes": Kind("an image's bytes are not in the store: it can only be deleted"),
    "bytes without image": Kind("bytes in the image store that no image has", "removed, as control does now and then"),
    "upload of nobody": Kind("an image waits for bytes that nobody sends any more", "queued again, as after a crash of control"),
    "image that waits for nobody": Kind(
        "an image waits for a host, and no host was told", "its record goes, as when a snapshot fails"
    ),
    # The rest.
    "role assignment of nobody": Kind("a role of, or on, something that is gone", "the assignment goes"),
    "queue of nobody": Kind("a queue of a host or node that is not there", "it goes, with what is in it"),
    "queue without reader": Kind("a host or node without a queue: orders would not reach it", "the queue is made"),
}
