"""Everything that can go wrong in the domain, as one drawn tree; HTTP knows it only through ``api/errors.py``.

    KilonovaError                what a user may read, in `str(error)`
    ├── BadRequest               the request is unsound; nothing was changed                     400
    ├── NotAuthenticated         no token, or one that is not good                               401
    ├── Forbidden                known, but not allowed                                          403
    │   └── QuotaExceeded        allowed, but the project has no room left                       403
    ├── NotFound                 there is no such thing, or it is not this project's             404
    ├── NotAcceptable            a version or format that is not spoken here                     406
    ├── Conflict                 the thing is not in a state that allows this                    409
    │   └── NoMoreAddresses      a subnet has no free address                                    409
    ├── Gone                     it was there, and is not any more                               410
    ├── PreconditionFailed       the thing is not as the request says it must be                 412
    ├── TooLarge                 a body or file above its limit                                  413
    ├── UnsupportedMediaType     a body of a type this operation does not take                   415
    ├── Unsupported              a true OpenStack feature that is not built yet                  501
    ├── Unavailable              a part we need does not answer; trying again may help           503
    └── BuildFailed              a step of a build could not be done; carries a reason
        └── TimedOut             it did not happen before its deadline

A message never holds a host name, a path or a secret: it is shown to the owner of the server.
"""


class KilonovaError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None, kind: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        self.kind = kind
        """The service's own name for this case where its clients read one (Neutron's ``NetworkInUse``), else None."""


class BadRequest(KilonovaError):
    """The request is malformed."""


class NotAuthenticated(KilonovaError):
    """The request you have made requires authentication."""


class Forbidden(KilonovaError):
    """You are not authorized to perform the requested action."""


class QuotaExceeded(Forbidden):
    """The quota of this project is used up."""


class NotFound(KilonovaError):
    """The resource could not be found."""


class NotAcceptable(KilonovaError):
    """The requested version or format is not available."""


class Conflict(KilonovaError):
    """The resource is not in a state that allows this."""


class NoMoreAddresses(Conflict):
    """No more IP addresses are available on the network."""


class Gone(KilonovaError):
    """The resource is no longer there."""


class PreconditionFailed(KilonovaError):
    """The resource has changed since."""


class TooLarge(KilonovaError):
    """The request is larger than this service takes."""


class UnsupportedMediaType(KilonovaError):
    """The content type of the request is not supported."""


class Unsupported(KilonovaError):
    """This operation is not available in this cloud."""


class Unavailable(KilonovaError):
    """A part of the cloud does not answer at the moment."""


class BuildFailed(KilonovaError):
    """The server could not be built."""


class TimedOut(BuildFailed):
    """The server was not built before its deadline."""
