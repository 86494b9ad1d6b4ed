"""Do in order, undo in reverse, remember across a crash. Knows nothing of clouds.

`Chain` is for what one transaction does; `Saga` for what takes time and can be cut short; `run` carries a saga out.
"""

from kilonova.saga.chain import Chain
from kilonova.saga.journal import Entry, Journal
from kilonova.saga.run import Outcome, StopBuilding, Watch, run
from kilonova.saga.saga import Saga, Step

__all__ = ["Chain", "Entry", "Journal", "Outcome", "Saga", "Step", "StopBuilding", "Watch", "run"]
