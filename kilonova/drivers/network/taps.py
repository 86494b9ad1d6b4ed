"""The compute node's end of a wire: open the tap that a guest's NIC is. Needs no netlink library and keeps no state.

The tap lives in the network's namespace but only as long as somebody holds its descriptor: when QEMU ends, it is gone.
"""

import errno
import fcntl
import os
import socket
import struct
import time
from collections.abc import Collection

from kilonova.drivers.network import namespaces
from kilonova.errors import BuildFailed
from kilonova.model.port import Wire

_TUNSETIFF, _TUNSETPERSIST = 0x400454CA, 0x400454CB
_TAP, _NO_PI, _VNET_HDR = 0x0002, 0x1000, 0x4000
_SIOCGIFINDEX, _SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCSIFMTU, _SIOCBRADDIF = 0x8933, 0x8913, 0x8914, 0x8922, 0x89A2
_UP = 0x1
_WAIT_S = 2.0
"""How long a guest that is just ending may still hold its tap."""


def open_tap(wire: Wire) -> int:
    """The descriptor of the tap of this wire: on its bridge, with its MTU, up. Blocks for a millisecond, at most two seconds.

    The descriptor is close-on-exec; who starts QEMU makes it inheritable, and closes it here. Raises BuildFailed.
    """
    if wire.kind != "tap":
        raise BuildFailed("This wire does not end in a tap.")
    try:
        return namespaces.inside(wire.namespace, lambda: _open(wire))
    except OSError as error:
        raise BuildFailed("The server's network interface could not be opened.") from error


def join_again(bridge: str, names: Collection[str]) -> None:
    """Here, where the bridge is: those of these taps that are there are on it. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for index, name in socket.if_nameindex():
            if name in names:
                _enslave(control, bridge, index)


def _open(wire: Wire) -> int:
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _attach(tap, wire.tap)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            name = wire.tap.encode()
            fcntl.ioctl(control, _SIOCSIFMTU, struct.pack("16si20x", name, wire.mtu))
            index = struct.unpack("16si20x", fcntl.ioctl(control, _SIOCGIFINDEX, struct.pack("16si20x", name, 0)))[1]
            _enslave(control, wire.bridge, index)
            flags = struct.unpack("16sH22x", fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16sH22x", name, 0)))[1]
            fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", name, flags | _UP))
    except BaseException:
        os.close(tap)
        raise
    return tap


def _attach(tap: int, name: str) -> None:
    """Make the tap, or take the one that is left over; wait a little while an ending guest still holds it."""
    until = time.monotonic() + _WAIT_S
    while True:
        try:
            fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TAP | _NO_PI | _VNET_HDR))
            break
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
    fcntl.ioctl(tap, _TUNSETPERSIST, 0)


def _enslave(control: socket.socket, bridge: str, index: int) -> None:
    try:
        fcntl.ioctl(control, _SIOCBRADDIF, struct.pack("16si20x", bridge.encode(), index))
    except OSError as error:
        if error.errno != errno.EBUSY:  # busy: it is on the bridge already
            raise
