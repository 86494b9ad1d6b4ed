"""The guests of one host: a QEMU process each, started, watched and ended; they outlive the process that started them.

It makes no disks and no networks: it is given disks as files and wires as plugs.

    qemu.py          the real one: all guests of this host
    guest.py         one guest: its process, its QMP connection, how it ended
    launch.py        opens what QEMU needs, drops its rights, starts it
    command.py       QEMU's command line, a pure function
    process.py       a process by pidfd: no pid is ever mistaken for another's
    memory.py        what is written down of a guest, for the next process of this role
    monitor.py       QMP
    console.py       the serial console's log: its tail, and its limit
    plugs.py         how a wire is plugged into QEMU
    accel.py         KVM or TCG, found out by running code and not by asking
    simulated.py     none of it: guests in a dict
"""
