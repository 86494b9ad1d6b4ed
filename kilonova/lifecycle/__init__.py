"""The shorter stories in the same form: what happens to a server after it was built. Today: its end (remove.py)."""
