"""The shorter stories in the same form: what happens to a server after it was built. Today: its end, its console, and how
what nodes have is compared with the ledger: on every hello (inventory.py), and for an operator (audit.py).
"""
