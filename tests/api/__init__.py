"""The services on the wire."""
