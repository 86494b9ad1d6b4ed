"""OpenStack's compute API on the wire."""
