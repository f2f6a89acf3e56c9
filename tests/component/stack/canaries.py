"""A canary for every secret there is: where it is planted, what it covers, and the one place it may be seen.

Holds the table and looks for canaries in bytes; plants none and judges nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

CONTROL_PLANE = ("web", "streamer")
EVERY_PROGRAM = ("web", "streamer", "gateway")


@dataclass(frozen=True, slots=True)
class Canary:
    """A secret. ``covers`` are columns, settings and fields of values that hold it or what is made of it."""

    name: str
    value: str
    """Empty for one that the product makes; it is learnt where it is shown."""
    covers: tuple[str, ...]
    shown_at: tuple[str, ...] = ()
    """The pages that may hold it: where it is made, and where whoever has it brings it along."""
    programs: tuple[str, ...] = ()
    """The programs in whose environment it may stand."""


def _setting(name: str, programs: tuple[str, ...] = CONTROL_PLANE) -> Canary:
    value = f"canary-{name.lower().replace('_', '-')}-0123456789abcdefghijklmnopq"
    return Canary(name, value, (name,), programs=programs)


def _given(name: str, *covers: str) -> Canary:
    return Canary(name, f"canary-{name.replace(' ', '-')}-5f8a1c", covers)


_CREDENTIAL = ("provider.sealed_credential", "NewProvider.credential", "Entered.credential")
SETTINGS = (
    _setting("LANGWATCH_MASTER_KEY"),
    _setting("LANGWATCH_MASTER_KEY_PREVIOUS"),
    _setting("LW_VIRTUAL_KEY_PEPPER"),
    _setting("LW_VIRTUAL_KEY_PEPPER_PREVIOUS"),
    _setting("LANGWATCH_SMTP_PASSWORD"),
    _setting("LW_GATEWAY_INTERNAL_SECRET", EVERY_PROGRAM),
    _setting("LW_GATEWAY_INTERNAL_SECRET_PREVIOUS", EVERY_PROGRAM),
    _setting("LW_GATEWAY_JWT_SECRET", EVERY_PROGRAM),
    _setting("LW_GATEWAY_JWT_SECRET_PREVIOUS", EVERY_PROGRAM),
    _setting("LW_GATEWAY_METRICS_TOKEN", EVERY_PROGRAM),
)
FROM_THE_FILE = {
    "CANARY_OPENAI": _given("key in the file", *_CREDENTIAL),
    "CANARY_ACCESS": _given("access key", *_CREDENTIAL),
    "CANARY_SECRET": _given("secret key", *_CREDENTIAL),
    "CANARY_SESSION": _given("session token", *_CREDENTIAL),
    "CANARY_DEV": _given("first password of dev", "user.password_hash", "NewUser.password"),
    "CANARY_EVALUATOR": _given(
        "evaluator secret which is long enough", "guardrail.sealed_secret", "NewGuardrail.secret"
    ),
    "CANARY_OIDC": _given(
        "client secret in the file",
        "sign_in_connection.sealed_client_secret",
        "NewConnection.client_secret",
    ),
    "CANARY_REQUESTS": Canary(
        "slack address of requests",
        "http://127.0.0.1:9/canary-requests-5f8a1c",
        ("organization.sealed_request_channel",),
    ),
    "CANARY_VK": Canary(
        "virtual key in the file",
        "lw_vk_live_01JCANARY00000000000000F11",
        ("virtual_key.secret_hash", "virtual_key.lookup_hash"),
    ),
    "CANARY_SOURCE": Canary(
        "source secret in the file",
        "lw_is_canary-0123456789abcdefghijklmno",
        ("ingestion_source.secret_hash",),
    ),
}
TYPED = {
    row.name: row
    for row in (
        _given("password of ada", "user.password_hash", "NewUser.password"),
        _given("changed password of ada", "user.password_hash"),
        _given("password of eve", "user.password_hash"),
        _given("new password of dev", "user.password_hash"),
        _given("wrong password"),
        _given("key on the page", *_CREDENTIAL),
        _given("rotated key on the page", *_CREDENTIAL),
        _given("client secret of azure", *_CREDENTIAL),
        _given("refused key", *_CREDENTIAL),
        _given("client secret on the page", "sign_in_connection.sealed_client_secret"),
        _given(
            "slack address",
            "anomaly_rule.destinations",
            "alert_delivery.sealed_destination",
        ),
        _given("trace header", "trace_destination.sealed_headers"),
    )
}
MADE = {
    row.name: row
    for row in (
        Canary("setup token", "", ("one_time_link.token_hash",), ("/setup",)),
        Canary("personal key", "", ("virtual_key.secret_hash",), ("/welcome",)),
        Canary(
            "rotated personal key",
            "",
            ("virtual_key.previous_secret_hash", "virtual_key.previous_lookup_hash"),
            ("/welcome",),
        ),
        Canary("api key", "", ("api_key.secret_hash",), ("/me/api-keys",)),
        Canary("directory token", "", ("scim_token.secret_hash",), ("/settings/sign-in",)),
        Canary(
            "invitation",
            "",
            ("invitation.token_hash",),
            ("/settings/members/invite", "/invitation"),
        ),
        Canary(
            "password link",
            "",
            ("one_time_link.token_hash",),
            ("/settings/members/", "/password"),
        ),
        Canary("source secret", "", ("ingestion_source.secret_hash",), ("/settings/governance/",)),
        Canary(
            "rotated source secret",
            "",
            ("ingestion_source.previous_secret_hash",),
            ("/settings/governance/",),
        ),
        Canary(
            "key of the api",
            "",
            ("virtual_key.secret_hash", "idempotency_key.sealed_answer"),
            ("/api/gateway/v1/virtual-keys",),
        ),
        Canary("key that apply made", "", ("virtual_key.secret_hash",)),
        Canary("increase link", "", (), ("/v1/chat/completions", "/budget-increase")),
    )
}
ALL = (*SETTINGS, *FROM_THE_FILE.values(), *TYPED.values(), *MADE.values())


def disguises(secret: str) -> Iterator[bytes]:
    """Return a secret as it stands, in an address, and as the inside of any base64 text."""
    raw = secret.encode()
    yield raw
    yield quote(secret, safe="").encode()
    for before in range(3):
        # What lies around it changes up to two characters on either side.
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * before + raw)[4 if before else 0 : -4]


@dataclass(slots=True)
class Watch:
    """Every secret by its value, and the answers in which to look for them."""

    secrets: dict[str, Canary] = field(default_factory=dict)
    answers: list[tuple[str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.secrets |= {row.value: row for row in ALL if row.value}

    def learn(self, name: str, secret: str) -> str:
        """Note a secret that the product has made, and return it."""
        assert len(secret) >= 20, (name, secret)
        self.secrets[secret] = MADE[name]
        return secret

    def note(self, answer: httpx.Response) -> None:
        """Keep an answer: status line, headers and body."""
        headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.multi_items())
        path = urlsplit(str(answer.request.url)).path
        self.answers.append((path, headers.encode() + b"\n\n" + answer.read()))

    def found_in(self, data: bytes) -> set[str]:
        """Return the names of the secrets that some bytes hold."""
        return {
            row.name
            for secret, row in self.secrets.items()
            if any(form in data for form in disguises(secret))
        }

    def seen_on_pages(self) -> dict[str, set[str]]:
        """Return the paths of answers that hold a secret that has no business there, by its name."""
        found: dict[str, set[str]] = {}
        for path, data in self.answers:
            for secret, row in self.secrets.items():
                if not path.startswith(row.shown_at or ("-",)) and any(
                    form in data for form in disguises(secret)
                ):
                    found.setdefault(row.name, set()).add(path)
        return found

    def value_of(self, name: str) -> str:
        """Return a secret by its name."""
        (secret,) = [secret for secret, row in self.secrets.items() if row.name == name]
        return secret

    def times_shown(self, name: str) -> int:
        """Return how many answers hold a secret of the product's own making."""
        secret = self.value_of(name)
        return sum(any(form in data for form in disguises(secret)) for _, data in self.answers)


def variables() -> Mapping[str, str]:
    """Return the environment in which the canaries of the settings and of the file stand."""
    settings = {row.name: row.value for row in SETTINGS}
    return settings | {name: row.value for name, row in FROM_THE_FILE.items()}


def governance_file(provider_url: str) -> str:
    """Return the file that plants canaries; it declares nobody who can administer."""
    return f"""\
organization: {{name: Acme, slug: acme, request_slack_env: CANARY_REQUESTS}}
users: [{{email: dev@acme.test, name: Dan, role: member, password_env: CANARY_DEV}}]
teams: [{{name: Engineering, slug: eng}}]
projects: [{{name: Coding tools, slug: coding, team: eng}}]
providers:
  - {{name: openai-main, type: openai, base_url: "{provider_url}/v1", api_key_env: CANARY_OPENAI}}
  - {{name: aws, type: bedrock, base_url: "{provider_url}", settings: {{region: eu-central-1}},
     credential: {{access_key_env: CANARY_ACCESS, secret_key_env: CANARY_SECRET, session_token_env: CANARY_SESSION}}}}
virtual_keys:
  - {{name: dev-cli, project: coding, principal: dev@acme.test, providers: [openai-main, aws], secret_env: CANARY_VK}}
  - {{name: poor, project: coding, providers: [openai-main]}}
guardrails:
  - {{name: judge, type: evaluator, directions: [request], settings: {{url: "http://127.0.0.1:9/judge"}},
     on_failure: fail_open, is_automatic: "true", secret_env: CANARY_EVALUATOR}}
sign_in:
  - {{name: Acme login, issuer: "http://127.0.0.1:9", client_id: lw, domains: [acme.test],
     client_secret_env: CANARY_OIDC, enabled: "true"}}
budgets:
  - {{name: nothing, scope: virtual_key, target: poor, window: day, limit_usd: "0.000000001"}}
ingestion_sources: [{{name: agents, type: otel_generic, secret_env: CANARY_SOURCE}}]
"""


def field_names(kind: type[Any]) -> Iterator[str]:
    """Return ``Class.field`` for each field of a value object that is a secret."""
    for name, annotation in kind.__annotations__.items():
        if "Secret" in str(annotation):
            yield f"{kind.__name__}.{name}"
