"""Tests of the guest image."""
