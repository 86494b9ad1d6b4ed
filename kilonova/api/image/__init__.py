"""OpenStack's image API on the wire."""
