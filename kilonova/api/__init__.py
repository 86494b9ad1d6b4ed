"""OpenStack as spoken on the wire. Translation only, no decisions.

From a URL to its function: `<service>/routes.py` is a literal table. What happens around every function: `edge.MIDDLEWARE`.
"""
