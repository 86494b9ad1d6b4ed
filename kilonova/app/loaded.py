"""What the control role imports, which is most of the time that its start takes. Does nothing else."""


def load_control() -> None:
    """For a process that others are forked from; nothing breaks when something is missing here, a start only takes longer."""
    import uvloop  # noqa: F401

    from kilonova.api.image import recover  # noqa: F401
    from kilonova.app import web  # noqa: F401
    from kilonova.bus import bus  # noqa: F401
    from kilonova.ledger import migrate  # noqa: F401
    from kilonova.nodes import audit, control, desk, fabric, relay, role, sweeper  # noqa: F401
