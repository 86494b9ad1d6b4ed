"""The truth: tables and queries, one file per noun; the writer that commits; the orders and their relay.

Only control opens it. A transaction is a plain function of `Transaction`; `Ledger.write` runs it, and everything it did is
there or nothing is.
"""
