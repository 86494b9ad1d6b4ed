"""What a database's failure means to whoever asked: from its errors to the domain's. Decides nothing about trying again."""

from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from kilonova.errors import BadRequest, Conflict, KilonovaError, Unavailable

_UNAVAILABLE = {"OperationalError", "InterfaceError", "InternalError"}
_TAKEN = ("23505", "UNIQUE constraint failed")
_IN_USE = ("23503", "FOREIGN KEY constraint failed")


def meaning(error: BaseException) -> BaseException:
    """The domain error for `error`, caused by it; `error` itself when it is one, or is a mistake of ours."""
    told = _meaning(error)
    if told is None:
        return error
    told.__cause__ = error
    return told


def _meaning(error: BaseException) -> KilonovaError | BaseException | None:
    if isinstance(error, StopIteration):
        # asyncio's futures refuse it, and whoever waits would wait for ever.
        return RuntimeError("a change ended in StopIteration")
    if isinstance(error, OverflowError | UnicodeEncodeError):
        return BadRequest("A number is too large, or a text is not valid Unicode.")
    if isinstance(error, DBAPIError):
        return _of_the_database(error)
    if isinstance(error, StatementError) and error.orig is not None:
        return _meaning(error.orig)
    if isinstance(error, NoConnectionFree):
        return Unavailable("The database is too busy at the moment. Please try again.")
    return None


def _of_the_database(error: DBAPIError) -> KilonovaError | None:
    kind = type(error).__name__
    said = f"{getattr(error.orig, 'sqlstate', None)} {error.orig}"
    if any(mark in said for mark in _TAKEN):
        return Conflict("Something of that id or name is there already.")
    if any(mark in said for mark in _IN_USE):
        return Conflict("Something that this refers to is gone, or it is still in use.")
    if kind == "DataError":
        return BadRequest("A value is too long, too large, or has a character that cannot be kept.")
    if kind in _UNAVAILABLE or error.connection_invalidated:
        return Unavailable("The database does not answer at the moment. Please try again.")
    return None


def not_written(failure: SQLAlchemyError) -> Unavailable:
    """Nothing of a whole group was written: the disk is full, or the file is locked."""
    told = Unavailable("The database could not be written; nothing was changed.")
    told.__cause__ = failure
    return told


def is_read_only(error: BaseException | None) -> bool:
    """SQLite opened the file for reading only, as it does where that is all it can; it stays so for as long as it is open."""
    while error is not None:
        if isinstance(error, DBAPIError) and "readonly database" in str(error.orig):
            return True
        error = error.__cause__
    return False
