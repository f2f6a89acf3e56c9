"""The one table of faults: each refusal of ours, its status, log level and what to do about it.

Raise ``Refused(Fault.X, **facts)`` below an edge; only an edge turns it into an answer.
"""

import enum
import logging
from typing import NamedTuple


class _Row(NamedTuple):
    status: int
    level: int
    is_retryable: bool
    hint: str


class Fault(enum.Enum):
    """A row of the fault table; its name, lower-cased, is the public error code."""

    # The request itself
    BAD_REQUEST = _Row(400, logging.INFO, False, "Correct the request and send it again.")
    MISSING_MODEL = _Row(400, logging.INFO, False, "Name a model in the field `model`.")
    UNSUPPORTED_PARAMETER = _Row(
        400,
        logging.INFO,
        False,
        "Leave the parameter out, or use a provider that takes it; the reference lists what is translated.",
    )
    MODEL_PROVIDER_NOT_BOUND = _Row(
        400,
        logging.INFO,
        False,
        "Use a model that a provider of this key serves, or ask an administrator to add the provider.",
    )
    MODEL_NOT_RECOGNIZED = _Row(
        400,
        logging.INFO,
        False,
        "Name the provider before a slash, or use a model that a provider of this key serves.",
    )
    NO_PROVIDER_CONFIGURED = _Row(
        400, logging.INFO, False, "Ask an administrator to give this key at least one provider."
    )
    CACHE_OVERRIDE_INVALID = _Row(
        400,
        logging.INFO,
        False,
        "Send `X-LangWatch-Cache: respect`, `force` or `disable`, or leave it out.",
    )
    CACHE_OVERRIDE_NOT_IMPLEMENTED = _Row(
        400,
        logging.INFO,
        False,
        "A lifetime can't be set for one call; use `respect`, `force` or `disable`.",
    )
    VALIDATION_ERROR = _Row(
        422, logging.INFO, False, "Correct the fields named and send them again."
    )
    NOT_FOUND = _Row(404, logging.INFO, False, "Check the address.")
    METHOD_NOT_ALLOWED = _Row(405, logging.INFO, False, "Use one of the methods named in `Allow`.")
    PAYLOAD_TOO_LARGE = _Row(413, logging.INFO, False, "Send a smaller body.")
    UPGRADE_REQUIRED = _Row(426, logging.INFO, False, "Use plain HTTP on this path.")
    INVALID_CURSOR = _Row(400, logging.INFO, False, "Start the list again without a cursor.")
    IDEMPOTENCY_ERROR = _Row(
        409,
        logging.INFO,
        False,
        "Use a new key for a new request, or repeat the old one as it was.",
    )
    CONFLICT = _Row(409, logging.INFO, False, "Reload, and apply your change to the newer state.")
    # Who is asking
    MISSING_API_KEY = _Row(
        401,
        logging.INFO,
        False,
        "Supply a virtual key as `Authorization: Bearer lw_vk_…` or `x-api-key`.",
    )
    INVALID_API_KEY = _Row(
        401, logging.INFO, False, "Check the key, or ask an administrator for a new one."
    )
    VIRTUAL_KEY_REVOKED = _Row(403, logging.INFO, False, "Ask an administrator for a new key.")
    VIRTUAL_KEY_DISABLED = _Row(403, logging.INFO, False, "Ask an administrator to enable the key.")
    VIRTUAL_KEY_EXPIRED = _Row(403, logging.INFO, False, "Ask an administrator to extend the key.")
    UNAUTHENTICATED = _Row(401, logging.INFO, False, "Sign in first.")
    PERMISSION_DENIED = _Row(
        403, logging.INFO, False, "Ask an administrator for the permission named."
    )
    MISSING_CREDENTIALS = _Row(
        401,
        logging.INFO,
        False,
        "Supply an API key as `Authorization: Bearer sk-lw-…`, or sign in.",
    )
    INVALID_CREDENTIALS = _Row(
        401, logging.INFO, False, "Check the key; it may have expired or been revoked."
    )
    FORBIDDEN = _Row(403, logging.INFO, False, "Nobody may do this, whatever their role.")
    INVALID_SIGNATURE = _Row(
        401, logging.WARNING, False, "Check that both sides share the same internal secret."
    )
    CSRF_FAILED = _Row(403, logging.INFO, False, "Reload the page and send the form again.")
    # Policies and guardrails
    TOOL_NOT_ALLOWED = _Row(
        403, logging.INFO, False, "Leave the tool out, or ask an administrator to allow it."
    )
    URL_NOT_ALLOWED = _Row(
        403, logging.INFO, False, "Leave the address out, or ask an administrator to allow it."
    )
    MODEL_NOT_ALLOWED = _Row(
        403, logging.INFO, False, "Use another model, or ask an administrator to allow this one."
    )
    GUARDRAIL_BLOCKED = _Row(
        403,
        logging.INFO,
        False,
        "Take out what the guardrail names, or ask an administrator about it.",
    )
    GUARDRAIL_UPSTREAM_UNAVAILABLE = _Row(
        503, logging.ERROR, True, "A guardrail could not be asked; try again shortly."
    )
    # Limits
    BUDGET_EXCEEDED = _Row(
        402,
        logging.INFO,
        False,
        "Ask an administrator to raise the budget, or wait until it resets.",
    )
    MODEL_UNPRICED = _Row(
        402,
        logging.INFO,
        False,
        "Use a model with a known price, or ask an administrator to let this budget pass unpriced models.",
    )
    GATEWAY_BUDGET_SCOPE_UNREACHABLE = _Row(
        400,
        logging.INFO,
        False,
        "Choose a scope that an active key's calls belong to, or say that it shall be made all the same.",
    )
    BUDGET_UNAVAILABLE = _Row(
        503, logging.ERROR, True, "The budget could not be checked; try again shortly."
    )
    RATE_LIMIT_EXCEEDED = _Row(429, logging.INFO, True, "Wait as long as `Retry-After` says.")
    VK_RATE_LIMIT_EXCEEDED = _Row(
        429,
        logging.INFO,
        True,
        "Wait as long as `Retry-After` says, or ask an administrator for a higher rate.",
    )
    LEDGER_FULL = _Row(
        503,
        logging.ERROR,
        True,
        "The gateway cannot record calls at the moment; try again shortly.",
    )
    # Upstream
    AUTH_UPSTREAM_UNAVAILABLE = _Row(
        503, logging.ERROR, True, "The control plane does not answer; try again shortly."
    )
    PROVIDER_ERROR = _Row(502, logging.WARNING, True, "The provider failed; try again.")
    UPSTREAM_TIMEOUT = _Row(
        504, logging.WARNING, True, "The provider sent nothing in time; try again."
    )
    CIRCUIT_OPEN = _Row(
        503,
        logging.WARNING,
        True,
        "The providers of this key failed too often just now; wait as long as `Retry-After` says.",
    )
    SERVICE_UNAVAILABLE = _Row(503, logging.WARNING, True, "Try again shortly.")
    INTERNAL_ERROR = _Row(
        500, logging.ERROR, False, "Report the request id to whoever runs this gateway."
    )

    @property
    def code(self) -> str:
        """The public error code."""
        return self.name.lower()

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.value.status

    @property
    def level(self) -> int:
        """The level at which an edge logs it."""
        return self.value.level

    @property
    def is_retryable(self) -> bool:
        """True where waiting helps; every other refusal tells clients to stop."""
        return self.value.is_retryable

    @property
    def hint(self) -> str:
        """What the reader should do, one sentence."""
        return self.value.hint


class Refused(Exception):
    """Raised anywhere below an edge; turned into a response only there."""

    def __init__(self, fault: Fault, message: str = "", **facts: object) -> None:
        super().__init__(f"{fault.code}: {message or facts}")
        self.fault = fault
        self.message = message
        """What happened, in words, for the caller; empty means the hint says enough."""
        self.facts = facts
        """What the operator needs to see; never a secret, never a prompt."""
