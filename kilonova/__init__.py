"""Kilonova: OpenStack Compute as one small program. This is its map: one line a room, and where the nine steps of a build are.

build/        THE STORY: one server from request to running guest. Start reading in its __init__.py.
                1-2  admit.py     read the request; may they, and is there room?               control
                3-5  place.py     choose and claim a host; put the order into its queue        control
                6    prepare.py   take the order; assemble the block devices                   compute node
                7-8  connect.py   ask the network node and wait; and what that node does       compute, network node
                8-9  start.py     start the guest; report; tell the world                      compute node, control
                     giveup.py    when it fails: another host, or ERROR with a reason          control
lifecycle/    What happens to a server after it was built, action by action; what is done to volumes; the audit.
saga/         Do in order, undo in reverse, remember across a crash. Knows nothing of clouds.
model/        The nouns and their rules. No I/O.
scheduler/    Which host? A pure function, that also says why each host was refused.
metadata/     What a guest may learn about itself: the documents of its metadata service and config drive.
api/          OpenStack as spoken on the wire. Translation only.
nodes/        The processes that sit on machines: control, compute, network, volume. Queue in, story out.
bus/          Queues over NATS: one per node, questions and answers, news.
ledger/       The truth: tables and queries, the writer, the orders.
drivers/      Hands on the metal: hypervisor, disks, network, volumes, image store; each also simulated.
trace/        What took how long: spans, and the nine steps as a timeline.
guestimage/   The project's own small guest image, and how it is built.
sim/          A whole cloud in one process, with faults on demand.
cli/          kilonova up, doctor, trace, audit, …
app/          Puts a cloud together: the only room that names concrete queues, ledgers and drivers.
settings.py   One frozen Settings, from TOML and environment.
errors.py     The tree of domain errors.
"""

__version__ = "0.1.0"
