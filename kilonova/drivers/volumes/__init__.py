"""The bytes of volumes on one node, and how guests on any node reach them.

files.py       the real one: a qcow2 file for each volume, its snapshots inside
daemon.py      one process that serves one volume: NBD over TLS with a key of its own
images.py      qemu-img, without rights and with limits
simulated.py   none of it: names only
"""
