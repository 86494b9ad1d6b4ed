"""Hand a ruleset to the kernel as one transaction, in the namespace of the calling thread.

It goes through libnftables, which takes a millisecond or two, and through the ``nft`` program where the library is not
installed. It does not know what the rules mean.
"""

import ctypes
import functools
import logging
import subprocess
from typing import Any

from kilonova.errors import BuildFailed

_LIMIT_S = 10.0
_log = logging.getLogger(__name__)


def apply(ruleset: str) -> None:
    """All of `ruleset` or nothing of it. Raises BuildFailed."""
    library = _library()
    trouble = _by_program(ruleset) if library is None else _by_library(library, ruleset)
    if trouble is not None:
        _log.warning("a ruleset was refused: %s", trouble)
        raise BuildFailed("The network's packet filter could not be set up.")


@functools.cache
def _library() -> Any:
    """libnftables with its few functions declared; None where it is not installed."""
    try:
        library = ctypes.CDLL("libnftables.so.1")
    except OSError:
        return None
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_new.argtypes = [ctypes.c_uint32]
    library.nft_ctx_free.argtypes = [ctypes.c_void_p]
    for function in (library.nft_ctx_buffer_output, library.nft_ctx_buffer_error):
        function.argtypes = [ctypes.c_void_p]
    library.nft_ctx_get_error_buffer.argtypes = [ctypes.c_void_p]
    library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    return library


def _by_library(library: Any, ruleset: str) -> str | None:
    """None, or what went wrong. The context is made here because its socket belongs to the namespace it is made in."""
    context = library.nft_ctx_new(0)
    if not context:
        return "libnftables has no context"
    try:
        library.nft_ctx_buffer_output(context)
        library.nft_ctx_buffer_error(context)
        if library.nft_run_cmd_from_buffer(context, ruleset.encode()) == 0:
            return None
        return str(library.nft_ctx_get_error_buffer(context).decode(errors="replace"))
    finally:
        library.nft_ctx_free(context)


def _by_program(ruleset: str) -> str | None:
    try:
        done = subprocess.run(["nft", "-f", "-"], input=ruleset.encode(), capture_output=True, timeout=_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr.decode(errors="replace")
