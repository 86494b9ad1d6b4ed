"""OpenStack's identity API on the wire."""
