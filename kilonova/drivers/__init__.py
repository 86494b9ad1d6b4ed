"""Hands on the metal: each kind does what one Protocol of build/needs.py asks, really or simulated. Decides nothing.

`hypervisor/` guests; `disks/` block devices; `network/` bridges, DHCP, metadata, routers; `volumes/` files, served;
`imagestore/` image data on control.
"""
