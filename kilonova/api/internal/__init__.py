"""Not OpenStack: what this program's own parts ask over HTTP. Readiness, images for hosts, and traces."""
