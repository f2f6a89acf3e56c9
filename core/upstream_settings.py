"""The settings on how providers are called: deadlines, breaker, trust. A part of the one table in ``core.settings``."""

from dataclasses import dataclass

from core import setting_values as value
from core.secret_settings import SecretSettings
from core.setting_values import row


@dataclass(frozen=True, slots=True)
class UpstreamSettings(SecretSettings):
    """The settings of the way to providers, resolved."""

    connect_seconds: float = row(
        "LANGWATCH_UPSTREAM_CONNECT_SECONDS",
        value.seconds,
        10.0,
        "seconds",
        "How long connecting to a provider may take.",
    )
    first_byte_seconds: float = row(
        "LANGWATCH_UPSTREAM_FIRST_BYTE_SECONDS",
        value.seconds,
        600.0,
        "seconds",
        "How long a provider may think before its first byte.",
    )
    attempt_seconds: float = row(
        "LANGWATCH_UPSTREAM_ATTEMPT_SECONDS",
        value.seconds,
        60.0,
        "seconds",
        "How long a provider may think before the first byte of a streamed answer while another is left to try.",
    )
    between_bytes_seconds: float = row(
        "LANGWATCH_UPSTREAM_IDLE_SECONDS",
        value.seconds,
        120.0,
        "seconds",
        "How long a provider may fall silent within an answer.",
    )
    whole_call_seconds: float = row(
        "LANGWATCH_UPSTREAM_TOTAL_SECONDS",
        value.seconds,
        3600.0,
        "seconds",
        "How long one call may take in all.",
    )
    upstream_ca_file: str = row(
        "LANGWATCH_UPSTREAM_CA_FILE",
        str,
        "",
        "path",
        "Certificates that providers are checked against, in place of the system's.",
    )
    circuit_window_seconds: float = row(
        "LW_GATEWAY_CIRCUIT_WINDOW_S",
        value.seconds,
        30.0,
        "seconds",
        "Within what time failures of a provider add up to an open breaker.",
    )
    circuit_failures: int = row(
        "LW_GATEWAY_CIRCUIT_THRESHOLD",
        value.positive,
        10,
        "failures",
        "How many failures within that time make a worker leave a provider alone.",
    )
    circuit_cooldown_seconds: float = row(
        "LW_GATEWAY_CIRCUIT_COOLDOWN_S",
        value.seconds,
        60.0,
        "seconds",
        "How long it is left alone before one call tries it again.",
    )
