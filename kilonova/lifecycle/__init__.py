"""The shorter stories in the same form: what happens to a server after it was built; and how what nodes have is compared with
the ledger: on every hello (inventory.py), and for an operator (audit.py).

    task.py       what every later action has in common: its order, its end, its deadline
    actions.py    all of them by name
    power.py      stop, start          reboot.py    soft and hard        pause.py    pause, unpause, crash dump
    rebuild.py    a new disk from an image, the old one kept until the guest runs
    resize.py     another size on the same host; confirm, revert
    snapshot.py   an image of the disk while the guest goes on; backups
    rescue.py     boot from another image, its own disks beside it; and back
    running.py    what they share: a guest brought to run, switched off, brought back by an undo
    remove.py     the end
"""
