"""Volumes and everything about them in the ledger: tables, and a book for each noun."""
