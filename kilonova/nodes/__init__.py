"""The processes that sit on machines. Queue in, story out: who handles which message stands here, in literal tables.

control.py answers the API's desk and the nodes' reports, fabric.py keeps the network node at what the ledger says; compute.py
carries out builds and later actions, volume.py work on volumes, both by worker.py; network.py wires ports and makes routers.
"""
