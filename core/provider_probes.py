"""What to ask of a provider to learn whether it can be used: something small that generates nothing.

Lists of models where there are some, token counts on Vertex, and on Bedrock and for Azure's deployments a request
that is right in everything but its empty conversation. Sends nothing and judges nothing.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from core.provider_settings import Credential, ProviderSettings
from rules.aws_signature import AwsKey, AwsScope, signed_headers
from rules.provider_types import COMPATIBLE

ANTHROPIC_VERSION = "2023-06-01"
_AWS_MODEL = "amazon.nova-lite-v1:0"
_GEMINI_MODEL = "gemini-2.5-flash"
_WITHOUT_LIST = {"voyage": "voyage-3.5-lite"}
"""Vendors without a list of models, and the model of an embedding of one token that stands in for it."""
MOST_DEPLOYMENTS = 3


class Trial(NamedTuple):
    """A provider that is to be tried; ``token`` is the access token that its account was given, if it needs one."""

    type: str
    base_url: str
    settings: ProviderSettings
    credential: Credential
    token: str = ""


class Probe(NamedTuple):
    """One request. ``about`` names the model or deployment that it is about, where it is about one."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None = None
    about: str = ""
    lists_models: bool = False
    """Its answer lists models."""
    wants_refusal: bool = False
    """It is answered with 400 where all is well: what is wrong with it is only that nothing is asked."""


def probes_of(trial: Trial, now: datetime) -> list[Probe]:
    """Return what to ask, in order; the first that fails decides."""
    return _PROBES.get(trial.type, _openai)(trial, now)


def _openai(trial: Trial, _: datetime) -> list[Probe]:
    headers = _openai_headers(trial)
    # Without a path the API lies under /v1, as the gateway takes it.
    root = trial.base_url if urlsplit(trial.base_url).path else trial.base_url + "/v1"
    model = _WITHOUT_LIST.get(trial.type)
    if model:
        body = {"model": model, "input": ["a"]}
        return [_post(f"{root}/embeddings", headers, body, about=model)]
    return [Probe("GET", f"{root}/models", headers, lists_models=True)]


def _openai_headers(trial: Trial) -> dict[str, str]:
    key, settings = trial.credential.key.reveal(), trial.settings
    headers = dict(settings.extra_headers)
    if not key:
        return headers
    if trial.type == "custom" and settings.auth_mode == "api-key":
        return headers | {"api-key": key}
    if trial.type == "custom" and settings.auth_mode == "header":
        return headers | {settings.auth_header: key}
    return headers | {"Authorization": f"Bearer {key}"}


def _anthropic(trial: Trial, _: datetime) -> list[Probe]:
    headers = {"anthropic-version": ANTHROPIC_VERSION, **trial.settings.extra_headers}
    if trial.credential.key:
        headers["x-api-key"] = trial.credential.key.reveal()
    url = f"{trial.base_url.removesuffix('/v1')}/v1/models?limit=1000"
    return [Probe("GET", url, headers, lists_models=True)]


def _gemini(trial: Trial, _: datetime) -> list[Probe]:
    root = trial.base_url.removesuffix("/v1beta").removesuffix("/v1")
    headers = {"x-goog-api-key": trial.credential.key.reveal(), **trial.settings.extra_headers}
    return [Probe("GET", f"{root}/v1beta/models?pageSize=1000", headers, lists_models=True)]


def _azure(trial: Trial, _: datetime) -> list[Probe]:
    settings = trial.settings
    root = trial.base_url.removesuffix("/v1").removesuffix("/openai") + "/openai"
    proof = {"Authorization": f"Bearer {trial.token}"} if trial.token else {}
    if not trial.token:
        proof = {"api-key": trial.credential.key.reveal()}
    headers = {**settings.extra_headers, **proof}
    version = f"?api-version={quote(settings.api_version, safe='')}"
    is_classic = bool(settings.api_version)
    models = f"{root}/models{version}" if is_classic else f"{root}/v1/models"
    probes = [Probe("GET", models, headers, lists_models=False)]
    for name in list(dict.fromkeys(settings.deployments.values()))[:MOST_DEPLOYMENTS]:
        path = f"/deployments/{quote(name, safe='')}/chat/completions{version}"
        url = root + (path if is_classic else "/v1/chat/completions")
        body = {"model": name, "messages": []}
        probes.append(_post(url, headers, body, about=name, wants_refusal=True))
    return probes


def _vertex(trial: Trial, _: datetime) -> list[Probe]:
    settings = trial.settings
    headers = {"Authorization": f"Bearer {trial.token}", **settings.extra_headers}
    root = trial.base_url.removesuffix("/v1")
    where = f"projects/{quote(settings.project, safe=':')}/locations/{settings.region}"
    models = f"{root}/v1/{where}/publishers"
    named = settings.models[0] if settings.models else next(iter(settings.deployments), "")
    model = settings.name_of(named) or _GEMINI_MODEL
    said = "a"
    if model.startswith("claude"):
        body = {
            "anthropic_version": "vertex-2023-10-16",
            "model": model,
            "messages": [{"role": "user", "content": said}],
        }
        url = f"{models}/anthropic/models/count-tokens:rawPredict"
        return [_post(url, headers, body, about=model)]
    asked = {"contents": [{"role": "user", "parts": [{"text": said}]}]}
    url = f"{models}/google/models/{quote(model, safe='')}:countTokens"
    return [_post(url, headers, asked, about=model)]


def _bedrock(trial: Trial, now: datetime) -> list[Probe]:
    settings, credential = trial.settings, trial.credential
    named = settings.models[0] if settings.models else next(iter(settings.deployments), "")
    model = settings.name_of(named) or _AWS_MODEL
    url = f"{trial.base_url}/model/{quote(model, safe='')}/converse"
    probe = _post(url, {}, {"messages": []}, about=model, wants_refusal=True)
    if credential.key:
        proof = {"Authorization": f"Bearer {credential.key.reveal()}"}
    else:
        parts = urlsplit(url)
        part = credential.part
        key = AwsKey(part("access_key"), part("secret_key"), part("session_token"))
        request = ("POST", parts.path, parts.netloc, probe.body or b"")
        proof = dict(signed_headers(key, AwsScope(settings.region, "bedrock"), request, now))
    return [probe._replace(headers={**probe.headers, **settings.extra_headers, **proof})]


def _post(
    url: str, headers: dict[str, str], body: object, about: str = "", wants_refusal: bool = False
) -> Probe:
    told = {**headers, "Content-Type": "application/json"}
    data = json.dumps(body).encode()
    return Probe("POST", url, told, data, about, wants_refusal=wants_refusal)


_PROBES: dict[str, Callable[[Trial, datetime], list[Probe]]] = {
    **{family.name: _openai for family in COMPATIBLE},
    "openai": _openai,
    "custom": _openai,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "azure": _azure,
    "vertex": _vertex,
    "bedrock": _bedrock,
}
