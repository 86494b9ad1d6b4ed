"""What a network node does with its machine, three times over: ``linux`` (root), ``user`` (QEMU alone), ``simulated``.

``probe`` finds out which of them this machine can carry; ``taps`` is the compute node's end of a wire. Who gets which
address was decided long before, in the order.
"""
