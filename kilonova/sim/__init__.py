"""A whole cloud in one process: the real API, ledger, story and nodes; only the broker and the hardware are simulated.

`cloud.py` puts it together; `roles.py` starts, kills and restarts its parts; `faults.py` makes what fails on demand;
`clock.py` is an event loop that does not wait; `folder.py` furnishes a cloud once, for many to be begun from. For tests and
experiments: it needs httpx, which the program itself does not.
"""

from kilonova.sim.clock import SkippingLoop
from kilonova.sim.cloud import SimulatedCloud
from kilonova.sim.faults import DriverFaults, MessageFaults, Moment, StepFaults

__all__ = ["DriverFaults", "MessageFaults", "Moment", "SimulatedCloud", "SkippingLoop", "StepFaults"]
