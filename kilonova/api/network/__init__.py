"""OpenStack's network API on the wire."""
