"""The image API."""
