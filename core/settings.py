"""The one table of settings: environment variable, default, unit, sentence; read once into a frozen object.

Nothing else reads the environment, but for secrets that a configuration file names (``…_env``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from core import setting_values as value
from core.secrets import Secret
from core.setting_values import MIB, Network, Setting, SettingsError, row
from core.upstream_settings import UpstreamSettings

__all__ = ["CLIENT_VARIABLES", "TABLE", "Network", "Setting", "Settings", "SettingsError", "load"]

GOVERNANCE_FLAG = "release_ui_ai_governance_enabled"
GOOGLE_TOKENS_AT = "https://oauth2.googleapis.com/token"
ENTRA_AT = "https://login.microsoftonline.com"
GATEWAY_MENU_FLAG = "release_ui_ai_gateway_menu_enabled"


@dataclass(frozen=True, slots=True)
class Settings(UpstreamSettings):
    """Every setting, resolved. Defaults suit one machine and loopback."""

    data_dir: Path = row(
        "LANGWATCH_DATA_DIR",
        Path,
        Path("var"),
        "path",
        "Where the databases, the lake, the spool and generated secrets are kept; created with mode 0700.",
    )
    database_url: str = row(
        "DATABASE_URL",
        value.database,
        "",
        "url",
        "The control database; a SQLite file in the data directory when unset.",
    )
    lake_data_path: str = row(
        "LANGWATCH_LAKE_DATA_PATH",
        str,
        "",
        "path",
        "Where the lake keeps its Parquet files, a directory or an s3:// address; a directory in the data directory when unset.",
    )
    web_host: str = row(
        "LANGWATCH_WEB_HOST", str, "127.0.0.1", "host", "The address the web app listens on."
    )
    web_port: int = row(
        "LANGWATCH_WEB_PORT",
        value.port,
        5560,
        "port",
        "The port of the web app; 0 takes a free one.",
    )
    gateway_address: tuple[str, int] = row(
        "SERVER_ADDR GATEWAY_LISTEN_ADDR",
        value.address,
        ("127.0.0.1", 5563),
        "host:port",
        "Where the gateway listens; port 0 takes a free one.",
    )
    gateway_workers: int = row(
        "LANGWATCH_GATEWAY_WORKERS",
        value.whole,
        1,
        "processes",
        "How many gateway processes share the port.",
    )
    web_url: str = row(
        "LANGWATCH_PUBLIC_URL",
        value.url,
        "",
        "url",
        "The address under which browsers reach the web app; taken from the listener when unset.",
    )
    gateway_url: str = row(
        "LW_GATEWAY_PUBLIC_URL",
        value.url,
        "",
        "url",
        "The address under which tools reach the gateway; taken from the listener when unset.",
    )
    control_plane_url: str = row(
        "LW_GATEWAY_BASE_URL GATEWAY_CONTROL_PLANE_URL",
        value.url,
        "http://127.0.0.1:5560",
        "url",
        "Where a gateway finds the control plane.",
    )
    master_key: Secret = row(
        "LANGWATCH_MASTER_KEY",
        Secret,
        Secret(""),
        "secret",
        "Seals credentials in the database; made in the data directory when unset.",
    )
    internal_secret: Secret = row(
        "LW_GATEWAY_INTERNAL_SECRET",
        Secret,
        Secret(""),
        "secret",
        "Signs the calls between gateway and control plane; made in the data directory when unset.",
    )
    internal_secret_previous: Secret = row(
        "LW_GATEWAY_INTERNAL_SECRET_PREVIOUS",
        Secret,
        Secret(""),
        "secret",
        "The internal secret before a rotation, still accepted.",
    )
    jwt_secret: Secret = row(
        "LW_GATEWAY_JWT_SECRET",
        Secret,
        Secret(""),
        "secret",
        "Signs key claims; derived from the internal secret when unset.",
    )
    jwt_secret_previous: Secret = row(
        "LW_GATEWAY_JWT_SECRET_PREVIOUS",
        Secret,
        Secret(""),
        "secret",
        "The claim secret before a rotation, still accepted.",
    )
    pepper: Secret = row(
        "LW_VIRTUAL_KEY_PEPPER",
        Secret,
        Secret(""),
        "secret",
        "Hashes virtual keys and source secrets; derived from the master key when unset.",
    )
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
    force_flags: tuple[str, ...] = row(
        "FEATURE_FLAG_FORCE_ENABLE",
        value.names,
        (),
        "flag list",
        "Interface flags to turn on for everyone.",
    )
    governance_flag: str = row(
        "RELEASE_UI_AI_GOVERNANCE_ENABLED",
        value.one_of("", "0", "1"),
        "",
        "0 or 1",
        "Turns the governance interface on or off, over any other rule.",
    )
    ingest_rate_limit_off: bool = row(
        "LW_INGEST_RATE_LIMIT_DISABLED",
        value.flag,
        False,
        "0 or 1",
        "Turns off the limit of 60 deliveries a minute from one address.",
    )
    trusted_proxies: tuple[Network, ...] = row(
        "LANGWATCH_TRUSTED_PROXIES",
        value.networks,
        (),
        "CIDR list",
        "Reverse proxies whose X-Forwarded-For is believed.",
    )
    drain_tick_seconds: float = row(
        "LANGWATCH_DRAIN_INTERVAL_SECONDS",
        value.seconds,
        1.0,
        "seconds",
        "How often the streamer moves the inbox into the lake.",
    )
    evaluate_seconds: float = row(
        "LANGWATCH_EVALUATE_INTERVAL_SECONDS",
        value.seconds,
        60.0,
        "seconds",
        "How often anomaly rules run when nothing arrives.",
    )
    log_level: str = row(
        "LOG_LEVEL GATEWAY_LOG_LEVEL",
        value.one_of("debug", "info", "warning", "error"),
        "info",
        "level",
        "The least level that is logged.",
    )
    log_format: str = row(
        "LOG_FORMAT", value.one_of("text", "json"), "text", "text or json", "How log lines look."
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

    semconv_opt_in: tuple[str, ...] = row(
        "OTEL_SEMCONV_STABILITY_OPT_IN",
        value.names,
        (),
        "name list",
        "With gen_ai_latest_experimental, spans carry the newest attribute names of OpenTelemetry only.",
    )

    @property
    def control_database_url(self) -> str:
        """The control database in use."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'control.db').absolute()}"

    @property
    def spool_dir(self) -> Path:
        """Where gateway workers keep records that are not yet shipped."""
        return self.data_dir / "spool"

    @property
    def lake_dir(self) -> Path:
        """Where the embedded lake keeps its catalog and files."""
        return self.data_dir / "lake"

    def flag(self, name: str) -> bool:
        """Say whether an interface flag is on; all are off unless the operator forces them."""
        if name == GOVERNANCE_FLAG and self.governance_flag:
            return self.governance_flag == "1"
        return name in self.force_flags


TABLE: dict[str, Setting] = {f.name: f.metadata["setting"] for f in fields(Settings)}

# Read by the command line on a laptop, not by the programs; known here so that they are not called unknown.
CLIENT_VARIABLES = {
    "LANGWATCH_ENDPOINT": "The control plane that commands talk to.",
    "LANGWATCH_GATEWAY_URL": "The gateway that wrapped tools talk to.",
    "LANGWATCH_BROWSER": "The browser that login opens; `none` opens none.",
    "LANGWATCH_CLI_CONFIG": "Where the command line keeps its login.",
    "LANGWATCH_API_KEY": "An API key for commands that run without a login.",
}
# Set by the supervisor for its children.
_CHILD_VARIABLES = {
    "LANGWATCH_READY_FD",
    "LANGWATCH_LISTEN_FD",
    "LANGWATCH_PARENT_FD",
    "LANGWATCH_WORKER_INDEX",
}
_OUR_PREFIXES = ("LANGWATCH_", "LW_", "GATEWAY_")
_OTHER_VARIABLES = set(CLIENT_VARIABLES) | _CHILD_VARIABLES


def load(environ: Mapping[str, str]) -> Settings:
    """Resolve the environment into settings. Raises SettingsError with every mistake found."""
    mistakes = value.unknown_names(environ, TABLE.values(), _OTHER_VARIABLES, _OUR_PREFIXES)
    values: dict[str, Any] = {}
    for attribute, setting in TABLE.items():
        try:
            text, name = value.given(setting, environ)
            values[attribute] = (
                setting.default if text is None else value.parsed(setting, name, text)
            )
        except ValueError as error:
            mistakes.append(str(error))
    if mistakes:
        raise SettingsError(mistakes)
    return Settings(**values)
