"""The processes that sit on machines. Queue in, story out: who handles which message stands here, in literal tables.

control.py answers the API's desk and the nodes' reports; compute.py carries builds out; network.py wires ports.
"""
