"""The settings of the gateway: its limits, its deadlines, its spool and what it says of itself."""

from dataclasses import dataclass

from core import setting_values as value
from core.secrets import Secret
from core.setting_values import MIB, Network, row
from core.upstream_settings import UpstreamSettings

GOOGLE_TOKENS_AT = "https://oauth2.googleapis.com/token"
ENTRA_AT = "https://login.microsoftonline.com"


@dataclass(frozen=True, slots=True)
class GatewaySettings(UpstreamSettings):
    """How a gateway worker behaves."""

    allowed_private_networks: tuple[Network, ...] = row(
        "LANGWATCH_ALLOWED_PRIVATE_NETWORKS",
        value.networks,
        (),
        "CIDR list",
        "Private ranges that addresses entered by a tenant may point at.",
    )
    max_body_bytes: int = row(
        "SERVER_MAX_REQUEST_BODY_BYTES",
        value.whole,
        32 * MIB,
        "bytes",
        "The largest request body the gateway takes.",
    )
    drain_delay_seconds: float = row(
        "SERVER_DRAIN_DELAY_SECONDS",
        value.seconds,
        5.0,
        "seconds",
        "How long a stopping gateway still accepts requests after its readiness turned off.",
    )
    graceful_seconds: float = row(
        "SERVER_GRACEFUL_SECONDS",
        value.seconds,
        15.0,
        "seconds",
        "How long a stopping gateway waits for running requests.",
    )
    client_write_seconds: float = row(
        "LANGWATCH_CLIENT_WRITE_SECONDS",
        value.seconds,
        60.0,
        "seconds",
        "How long a client may refuse to read before its call is cancelled.",
    )
    google_token_url: str = row(
        "LANGWATCH_GOOGLE_TOKEN_URL",
        value.url,
        GOOGLE_TOKENS_AT,
        "url",
        "Where the tokens of Google service accounts are had.",
    )
    entra_url: str = row(
        "LANGWATCH_ENTRA_URL",
        value.url,
        ENTRA_AT,
        "url",
        "Where the tokens of Microsoft Entra applications are had; the tenant follows in the path.",
    )
    spool_max_bytes: int = row(
        "LW_GATEWAY_SPEND_SPOOL_MAX_BYTES",
        value.whole,
        1024 * MIB,
        "bytes",
        "How much unshipped record a gateway worker may keep before it refuses calls.",
    )
    ship_interval_seconds: float = row(
        "LW_GATEWAY_SPEND_FLUSH_INTERVAL_SECONDS",
        value.seconds,
        0.5,
        "seconds",
        "How often a gateway worker ships its records.",
    )
    lease_outage_seconds: float = row(
        "LANGWATCH_LEASE_OUTAGE_SECONDS",
        value.seconds,
        300.0,
        "seconds",
        "How long a gateway admits against its last lease while the control plane is away.",
    )
    stale_bundle_seconds: float = row(
        "LW_GATEWAY_AUTH_CACHE_HARD_GRACE_SECONDS",
        value.seconds,
        21600.0,
        "seconds",
        "How long a key that is already known is served while the control plane is away.",
    )
    allow_insecure: bool = row(
        "GATEWAY_ALLOW_INSECURE",
        value.flag,
        False,
        "0 or 1",
        "Lets a gateway on its own start without secrets of its own, for trying it out on one machine.",
    )
    netcheck_hosts: tuple[str, ...] = row(
        "GATEWAY_STARTUP_NETCHECK_HOSTS",
        value.names,
        (),
        "host:port list",
        "Hosts a gateway must be able to reach before it says it has started.",
    )
    bootstrap_pull: bool = row(
        "LW_GATEWAY_BOOTSTRAP_PULL GATEWAY_CACHE_BOOTSTRAP_ALL_KEYS",
        value.flag,
        False,
        "0 or 1",
        "Lets a gateway learn all keys before it starts, so that an outage leaves none unknown.",
    )
    access_log: str = row(
        "LANGWATCH_ACCESS_LOG",
        value.one_of("all", "failed", "off"),
        "all",
        "all, failed or off",
        "Which requests to the gateway get a log line.",
    )
    metrics_token: Secret = row(
        "LW_GATEWAY_METRICS_TOKEN",
        Secret,
        Secret(""),
        "secret",
        "What a scraper of the gateway's /metrics presents as a bearer token; unset, it answers private addresses only.",
    )
