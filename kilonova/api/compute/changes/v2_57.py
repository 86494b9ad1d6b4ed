"""2.57: files are no longer injected into a new server (user data does that), and have no limits and quotas."""

from kilonova.api.compute.changes.change import Asked, Change, Document, Shown, refuse, without
from kilonova.model.quota import ComputeQuota

QUOTAS = ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes")


def with_file_quotas(document: Document, about: ComputeQuota) -> Document:
    return {
        **document,
        "injected_files": about.injected_files,
        "injected_file_content_bytes": about.injected_file_content_bytes,
        "injected_file_path_bytes": about.injected_file_path_bytes,
    }


def with_file_usage(document: Document, about: ComputeQuota) -> Document:
    quotas = with_file_quotas({}, about)
    return {**document, **{name: {"limit": limit, "in_use": 0, "reserved": 0} for name, limit in quotas.items()}}


def with_file_limits(document: Document, about: ComputeQuota) -> Document:
    return {**document, "maxPersonality": about.injected_files, "maxPersonalitySize": about.injected_file_content_bytes}


def rebuilt_without_user_data(document: Document) -> Document:
    refuse(document, "user_data")
    return document


CHANGE = Change(
    lift={Asked.SERVER_REBUILD: rebuilt_without_user_data},
    lower={
        Shown.SERVER_REBUILT: without("user_data"),
        Shown.QUOTA: with_file_quotas,
        Shown.QUOTA_CLASS: with_file_quotas,
        Shown.QUOTA_DETAIL: with_file_usage,
        Shown.LIMITS: with_file_limits,
    },
)
FILES_UNTIL = (2, 56)
"""The newest version whose requests may hold files and their quotas: see `NewServerWithFiles` and `QuotaChangeWithFiles`."""
