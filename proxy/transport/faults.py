"""What can go wrong on the wire, as exceptions. Decides no status towards an API client beyond the wire's own."""

import enum


class ClientGone(Exception):
    """Raised by ``send`` and ``receive`` when the client has closed its connection."""


class AbortConnection(Exception):
    """Raised by an application to end a started answer so that no client takes it for complete."""


class RequestRefused(Exception):
    """A request that the transport will not pass on; carries the status of the answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class BodyTooLarge(RequestRefused):
    """The request body exceeds ``max_body_bytes``, as declared or as counted."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            413, "request_too_large", f"The request body is larger than {limit_bytes} bytes."
        )


class BodyTimeout(RequestRefused):
    """The request body did not arrive within ``body_read_seconds``."""

    def __init__(self) -> None:
        super().__init__(408, "request_timeout", "The request body did not arrive in time.")


class Stage(enum.Enum):
    """How far an upstream exchange had come when it was lost."""

    CONNECT = "connect"
    SEND = "send"
    HEAD = "head"
    BODY = "body"


class UpstreamLost(Exception):
    """The upstream could not be reached, went away, or answered something that is not HTTP."""

    def __init__(self, stage: Stage, detail: str) -> None:
        super().__init__(f"{stage.value}: {detail}")
        self.stage = stage
        self.detail = detail


class HandshakeRefused(UpstreamLost):
    """A server answered, and opens no WebSocket."""

    def __init__(self, status: int) -> None:
        super().__init__(Stage.HEAD, f"it answered a WebSocket handshake with {status}")
        self.status = status


class LeashPulled(BaseException):
    """Raised inside a held leash when it is pulled; ``Leash.hold`` swallows it, as a cancel scope would.

    A BaseException, so that no ``except Exception`` on the way takes it for a failure.
    """
