"""The one table of settings: environment variable, default, unit, sentence; read once into a frozen object.

Nothing else reads the environment, but for secrets that a configuration file names (``…_env``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from core import setting_values as value
from core.gateway_settings import ENTRA_AT, GOOGLE_TOKENS_AT
from core.mail_settings import MailSettings
from core.setting_values import Network, Setting, SettingsError, row

__all__ = [
    "CLIENT_VARIABLES",
    "ENTRA_AT",
    "GOOGLE_TOKENS_AT",
    "TABLE",
    "Network",
    "Setting",
    "Settings",
    "SettingsError",
    "load",
]

GOVERNANCE_FLAG = "release_ui_ai_governance_enabled"
GATEWAY_MENU_FLAG = "release_ui_ai_gateway_menu_enabled"


@dataclass(frozen=True, slots=True)
class Settings(MailSettings):
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

    capture_days: int = row(
        "LANGWATCH_CAPTURE_RETENTION_DAYS",
        value.whole,
        30,
        "days",
        "How long prompts and answers are kept that a virtual key's configuration asks to capture.",
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


_OWN_FIRST = sorted(fields(Settings), key=lambda one: one.name not in Settings.__annotations__)
TABLE: dict[str, Setting] = {one.name: one.metadata["setting"] for one in _OWN_FIRST}

# Read by the command line on a laptop, not by the programs; known here so that they are not called unknown.
CLIENT_VARIABLES = {
    "LANGWATCH_ENDPOINT": "The control plane that commands talk to.",
    "LANGWATCH_GATEWAY_URL": "The gateway that wrapped tools talk to.",
    "LANGWATCH_BROWSER": "The browser that login opens; `none` opens none.",
    "LANGWATCH_CLI_CONFIG": "Where the command line keeps its login.",
    "LANGWATCH_VIRTUAL_KEY": "The virtual key whose budgets `request-increase` asks about.",
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
