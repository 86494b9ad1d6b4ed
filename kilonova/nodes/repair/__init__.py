"""What `kilonova audit --repair` does about findings, by the ordinary undo steps and by those only. On control.

    repair.py      one repair: find, mend, wait until things have settled, find again
    case.py        one finding in hand, and how to say that it is not to be mended
    at_nodes.py    what nodes are told to take away, first: an address is free only once nobody uses it
    servers.py     volumes.py    networks.py    what is changed in the ledger, a transaction for each finding

What each kind means and what is done about it: lifecycle/audit/kinds.py. What a repair may do: docs/decisions/0014.
"""
