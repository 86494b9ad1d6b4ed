"""The block devices of one host: a cache of images, and per server a folder of disks made from them.

It never reads what a guest wrote and never runs a program on a disk: new disks are blank, or overlays on a cached image.

    local.py         the real one: qcow2 overlays on cached images
    cache.py         images on this host, fetched once each, checked, thrown out when room is needed
    fetch.py         what a fetch must promise, and a file that checks itself while it is written
    http_fetch.py    fetching from control by HTTP
    qcow2.py         the header of a qcow2 file, written and read
    config_drive.py  an ISO 9660 volume with the metadata
    simulated.py     none of it: names only
"""
