"""Queues over NATS: one per node, requests and replies, news, live traces. Knows messages, not what they mean."""
