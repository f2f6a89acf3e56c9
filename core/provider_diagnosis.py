"""Says in words what an answer, or the lack of one, means for whoever set a provider up. Sends nothing."""

import errno
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from core.outbound import AddressRefused, Answer, NameUnknown
from core.provider_probes import Probe, Trial
from rules.provider_types import TYPES

_SAID_CHARACTERS = 300
_SKEW_SECONDS = 240
_MOST_MODELS = 2000
_LONG_WORD = re.compile(r"[A-Za-z0-9_+/=-]{32,}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong: a code, one sentence, and what to do about it. ``said`` are the provider's own words."""

    code: str
    sentence: str
    advice: str = ""
    said: str = ""


def verdict_on(trial: Trial, probe: Probe, answer: Answer, now: datetime) -> Verdict | None:
    """Return what is wrong, or None when the answer is as it should be."""
    status = answer.status
    said = words_of(answer.start, trial)
    if status < 300:
        if _json(answer.start) is None and len(answer.start) < _READ_WHOLE:
            sentence = "Something answers there, but not with JSON."
            return Verdict("not_an_api", sentence, _NO_API, said="")
        return None
    if probe.wants_refusal and status == 400 and not _is_unknown_model(said):
        return None
    if status < 400:
        where = urlsplit(answer.headers.get("location", "")).netloc[:100]
        sentence = f"The address redirects{' to ' + where if where else ''}."
        return Verdict("redirected", sentence, "Enter the address that it leads to.")
    skew = skew_seconds(answer, now)
    if status in (401, 403) and (_is_clock(said) or abs(skew) > _SKEW_SECONDS):
        return Verdict("clock_skew", _clock_sentence(skew), "Set this machine's clock.", said)
    judge = _BY_STATUS.get(status, _refused if status < 500 else _failed)
    return judge(trial, probe, said, status)


_READ_WHOLE = 1_000_000
"""Bytes that are read of an answer; a longer one is cut, so that it need not be JSON."""


def _unauthorised(trial: Trial, probe: Probe, said: str, status: int) -> Verdict:
    label = TYPES[trial.type].label
    if not trial.credential.account:
        return Verdict("no_credential", f"{label} asks for a credential.", "Enter one.", said)
    page = TYPES[trial.type].key_page
    advice = f"Check it, or make a new one: {page}." if page else "Check the key."
    return Verdict("bad_credential", f"{label} does not accept the credential.", advice, said)


def _forbidden(trial: Trial, probe: Probe, said: str, status: int) -> Verdict:
    if trial.type == "bedrock":
        return _aws_forbidden(trial, probe, said)
    what = f"the model {probe.about}" if probe.about else "this"
    advice = {
        "vertex": "Give the service account the role Vertex AI User, and enable the Vertex AI API in the project.",
        "azure": "Allow this network and, with an Entra application, give it the role Cognitive Services OpenAI User.",
        "gemini": "Allow the Generative Language API for the key, and look whether it is offered in your region.",
    }.get(
        trial.type, "Look whether the key has this permission, and whether the region is allowed."
    )
    sentence = f"The credential is known, but may not use {what}."
    return Verdict("no_access", sentence, advice, said)


def _aws_forbidden(trial: Trial, probe: Probe, said: str) -> Verdict:
    low = said.lower()
    region = trial.settings.region
    if "signature we calculated" in low:
        advice = "Check the secret key: it is not the one of this access key."
        return Verdict("bad_credential", "The secret key is wrong.", advice, said)
    if "token included in the request is expired" in low or "expiredtoken" in low:
        advice = "Enter a new access key, secret key and session token together."
        return Verdict("expired_credential", "The session token has expired.", advice, said)
    if "security token" in low or "invalid api key" in low or "authentication" in low:
        advice = "Check the access key, and the session token if it is temporary."
        return Verdict("bad_credential", "AWS does not know the access key.", advice, said)
    advice = f"Allow bedrock:InvokeModel, and access to the model in {region}."
    sentence = f"The account may not call {probe.about} in {region}."
    return Verdict("no_access", sentence, advice, said)


def _missing(trial: Trial, probe: Probe, said: str, status: int) -> Verdict:
    if probe.wants_refusal and trial.type == "azure":
        advice = "Check the deployment's name in the Azure portal; a new one needs a few minutes."
        sentence = f"There is no deployment {probe.about}."
        return Verdict("no_deployment", sentence, advice, said)
    if probe.about:
        where = f" in {trial.settings.region}" if trial.settings.region else ""
        sentence = f"There is no model {probe.about}{where}."
        return Verdict(
            "no_model", sentence, "Choose another region or declare another model.", said
        )
    path = urlsplit(probe.url).path
    ends = (
        "As a rule it ends in /v1." if trial.type == "custom" else "Leave it empty for the default."
    )
    if trial.type == "azure":
        ends = "Check the endpoint and the API version; without a version the v1 form is used."
    return Verdict("wrong_path", f"The address has no {path}.", ends, said)


def _exhausted(trial: Trial, probe: Probe, said: str, status: int) -> Verdict:
    if "insufficient_quota" in said or "credit" in said.lower() or status == 402:
        sentence = "The account is known, but has no credit left."
        return Verdict("no_credit", sentence, "Add credit at the provider.", said)
    sentence = "The account is known, but its quota is used up at the moment."
    return Verdict("quota", sentence, "Wait, or have the quota raised at the provider.", said)


def _refused(trial: Trial, probe: Probe, said: str, status: int) -> Verdict:
    if trial.type == "gemini" and ("API key" in said or "API_KEY" in said):
        return _unauthorised(trial, probe, said, status)
    if probe.wants_refusal or _is_unknown_model(said):
        advice = (
            "Check the model's id, and whether it needs a profile over regions (us., eu., global.)."
        )
        return Verdict("no_model", f"There is no model {probe.about} here.", advice, said)
    return Verdict("refused", f"The provider refused the test with status {status}.", "", said)


def _failed(trial: Trial, probe: Probe, said: str, status: int) -> Verdict:
    sentence = f"The provider fails at the moment (status {status})."
    return Verdict("provider_down", sentence, "Try again later.", said)


_BY_STATUS = {
    401: _unauthorised,
    402: _exhausted,
    403: _forbidden,
    404: _missing,
    429: _exhausted,
}
_NO_API = "Check the address: this may be a web page, a proxy's login or another service."


def verdict_on_error(error: Exception, url: str) -> Verdict:
    """Return what is wrong when there was no answer."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    where = f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    if isinstance(error, AddressRefused):
        advice = "Addresses entered here must be public, unless LANGWATCH_ALLOWED_PRIVATE_NETWORKS has their network."
        return Verdict("address_refused", f"Not tried: {error}.", advice)
    if isinstance(error, NameUnknown):
        sentence = f"The name {host} is not known."
        return Verdict("dns", sentence, "Check the spelling, and this machine's name servers.")
    if isinstance(error, httpx.TimeoutException):
        what = "No connection to" if isinstance(error, httpx.ConnectTimeout) else "No answer from"
        advice = "Check the address and whether a firewall is in between."
        return Verdict("timeout", f"{what} {where} in time.", advice)
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):
            return _tls(cause, where)
        if isinstance(cause, OSError) and cause.errno == errno.ECONNREFUSED:
            sentence = f"Nothing listens at {where}."
            return Verdict("refused_connection", sentence, "Check the port, or start the server.")
    sentence = f"The connection to {where} broke."
    return Verdict("broken", sentence, "Check the address; http:// or https:// may be mixed up.")


def _tls(error: ssl.SSLError, where: str) -> Verdict:
    if isinstance(error, ssl.SSLCertVerificationError):
        if "mismatch" in error.verify_message.lower() or "match" in error.verify_message.lower():
            sentence = f"The certificate of {where} is for another name."
            return Verdict(
                "tls_name", sentence, "Enter the address by the name in the certificate."
            )
        sentence = f"The certificate of {where} is not trusted: {error.verify_message}."
        advice = "For a private authority, name its certificate in LANGWATCH_UPSTREAM_CA_FILE."
        return Verdict("tls_trust", sentence, advice)
    advice = "It may speak plain HTTP: try http://."
    return Verdict("tls", f"{where} does not speak TLS.", advice)


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and len(found) < 10:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def skew_seconds(answer: Answer, now: datetime) -> float:
    """Return how far this machine's clock is ahead of the server's; 0 when the server does not say."""
    try:
        return (now - parsedate_to_datetime(answer.headers.get("date", ""))).total_seconds()
    except (ValueError, TypeError):
        return 0.0


def _is_clock(said: str) -> bool:
    low = said.lower()
    return "signature expired" in low or "not yet current" in low or "request has expired" in low


def _clock_sentence(skew: float) -> str:
    if abs(skew) < 1:
        return "The signature's time is not accepted: this machine's clock is wrong."
    way = "ahead" if skew > 0 else "behind"
    return f"This machine's clock is {abs(skew) / 60:.0f} minutes {way}."


def _is_unknown_model(said: str) -> bool:
    low = said.lower()
    return "model identifier is invalid" in low or "on-demand throughput" in low


def models_in(body: bytes) -> tuple[str, ...]:
    """Return the ids in a list of models of any vendor; Google's without their ``models/``."""
    value = _json(body)
    rows: Any = value
    if isinstance(value, dict):
        rows = value.get("data", value.get("models"))
    names: list[str] = []
    for row in rows if isinstance(rows, list) else ():
        name = row.get("id") or row.get("name") if isinstance(row, dict) else None
        if isinstance(name, str) and len(names) < _MOST_MODELS:
            names.append(name.removeprefix("models/"))
    return tuple(names)


def words_of(body: bytes, trial: Trial) -> str:
    """Return the provider's own sentence, short, and without the credential or anything that looks like one."""
    value = _json(body)
    first = value[0] if isinstance(value, list) and value else value
    if not isinstance(first, dict):
        return ""
    error = first.get("error", first)
    said = _sentence(error) if isinstance(error, dict) else str(error)
    text = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    secrets = [trial.credential.key, *trial.credential.parts.values()]
    for secret in (s.reveal() for s in secrets if s):
        text = text.replace(secret, "…")
    return _LONG_WORD.sub("…", text)[:_SAID_CHARACTERS]


def _sentence(error: Mapping[str, Any]) -> str:
    words = [error.get(n) for n in ("message", "Message", "error_description")]
    told = next((word for word in words if isinstance(word, str) and word), "")
    codes = [error.get(n) for n in ("code", "type", "status", "__type")]
    code = next((c for c in codes if isinstance(c, str) and not c.isdigit() and c != "error"), "")
    return f"{code}: {told}" if code and code not in told else told


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
