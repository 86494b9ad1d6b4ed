"""Kilonova: OpenStack Compute as one small program."""

__version__ = "0.1.0"
