"""Regular expressions that clients search by, as in Nova; one that is hostile is cut short."""

from kilonova.errors import BadRequest

PATTERN_LIMIT_S = 0.02
"""For one row: an honest pattern takes microseconds."""


def matches(pattern: str, text: str) -> bool:
    """Whether `pattern` is found in `text`; one that is no regular expression is looked for as it stands. Raises BadRequest."""
    import regex  # takes as long to load as all of the compute API, and most clouds never need it

    try:
        return regex.search(pattern, text, timeout=PATTERN_LIMIT_S) is not None
    except regex.error:
        return pattern in text
    except TimeoutError:
        raise BadRequest("The pattern takes too long to search for.") from None
