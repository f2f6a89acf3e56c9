"""What each answer of a provider is called, and what is said about it. No secret is ever repeated."""

import json
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from core.outbound import AddressRefused, Answer, NameUnknown
from core.provider_diagnosis import models_in, verdict_on, verdict_on_error, words_of
from core.provider_probes import Trial, probes_of
from core.provider_settings import read_credential, read_settings
from core.secrets import Secret

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
AWS = '{"access_key":"AKIAX","secret_key":"verysecret"}'


def trial(type_: str = "openai", credential: str = "sk-abc", **settings: object) -> Trial:
    url = "https://api.test/v1"
    return Trial(type_, url, read_settings(settings), read_credential(Secret(credential)), "token")


def judged(told: Trial, status: int, body: object = None, place: int = -1, **headers: str) -> str:
    data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    probe = probes_of(told, NOW)[place]
    given = {"date": format_datetime(NOW)} | headers
    verdict = verdict_on(told, probe, Answer(status, "", None, data, given), NOW)
    if verdict is None:
        return "ok"
    assert verdict.sentence.endswith(".")
    assert "sk-abc" not in str(verdict) and "verysecret" not in str(verdict)
    return verdict.code


BEDROCK = trial("bedrock", AWS, region="eu-central-1")
AZURE = trial("azure", "key", deployments={"gpt-4o": "prod"}, api_version="2024-10-21")
VERTEX = trial("vertex", AWS, project="acme-prod", region="us-east5")


@pytest.mark.parametrize(
    ("told", "status", "body", "code"),
    [
        (trial(), 200, {"data": []}, "ok"),
        (trial(), 200, b"<html>", "not_an_api"),
        (trial(), 302, {}, "redirected"),
        (trial(), 401, {"error": {"message": "Incorrect API key: sk-abc"}}, "bad_credential"),
        (trial(credential=""), 401, {}, "no_credential"),
        (trial(), 403, {}, "no_access"),
        (trial(), 404, {}, "wrong_path"),
        (trial("custom"), 404, {}, "wrong_path"),
        (trial(), 429, {"error": {"code": "insufficient_quota"}}, "no_credit"),
        (trial(), 429, {}, "quota"),
        (trial(), 402, {}, "no_credit"),
        (trial(), 503, {}, "provider_down"),
        (trial(), 418, {}, "refused"),
        (trial("voyage"), 404, {}, "no_model"),
        (trial("gemini"), 400, {"error": {"message": "API key not valid."}}, "bad_credential"),
        (AZURE, 400, {"error": {"message": "[] is too short - 'messages'"}}, "ok"),
        (AZURE, 404, {"error": {"code": "DeploymentNotFound"}}, "no_deployment"),
        (VERTEX, 404, [{"error": {"message": "Publisher Model"}}], "no_model"),
        (VERTEX, 403, {"error": {"status": "PERMISSION_DENIED"}}, "no_access"),
        (BEDROCK, 400, {"message": "A conversation must start with a user message."}, "ok"),
        (BEDROCK, 400, {"message": "The provided model identifier is invalid."}, "no_model"),
        (BEDROCK, 400, {"message": "Invocation with on-demand throughput isn't supported"}, "no_model"),
        (BEDROCK, 403, {"message": "The request signature we calculated does not match"}, "bad_credential"),
        (BEDROCK, 403, {"message": "The security token included in the request is expired"}, "expired_credential"),
        (BEDROCK, 403, {"message": "The security token included in the request is invalid."}, "bad_credential"),
        (BEDROCK, 403, {"message": "Signature expired: 2026 is now earlier"}, "clock_skew"),
        (BEDROCK, 403, {"message": "User is not authorized to perform bedrock:InvokeModel"}, "no_access"),
    ],
)  # fmt: skip
def test_each_answer_has_a_name(told: Trial, status: int, body: object, code: str) -> None:
    assert judged(told, status, body) == code


def test_a_wrong_clock_is_told_by_how_much() -> None:
    probe = probes_of(BEDROCK, NOW)[0]
    headers = {"date": format_datetime(NOW - timedelta(minutes=7))}
    verdict = verdict_on(BEDROCK, probe, Answer(403, "", None, b"{}", headers), NOW)
    assert verdict is not None
    assert verdict.sentence == "This machine's clock is 7 minutes ahead."


def with_cause(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def mismatch(message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, message)
    error.verify_message = message
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AddressRefused("10.0.0.1 is a private address"), "address_refused"),
        (NameUnknown("no"), "dns"),
        (httpx.ConnectTimeout(""), "timeout"),
        (httpx.ReadTimeout(""), "timeout"),
        (with_cause(httpx.ConnectError(""), ConnectionRefusedError(111, "refused")), "refused_connection"),
        (with_cause(httpx.ConnectError(""), mismatch("Hostname mismatch")), "tls_name"),
        (with_cause(httpx.ConnectError(""), mismatch("self-signed certificate")), "tls_trust"),
        (with_cause(httpx.ConnectError(""), ssl.SSLError(1, "wrong version number")), "tls"),
        (httpx.RemoteProtocolError("closed"), "broken"),
        (RuntimeError("closed"), "broken"),
    ],
)  # fmt: skip
def test_each_way_to_get_no_answer_has_a_name(error: Exception, code: str) -> None:
    assert verdict_on_error(error, "https://api.test:8443/v1").code == code


def test_the_providers_words_are_short_printable_and_without_secrets() -> None:
    long = "x" * 40
    body = {
        "error": {"message": f"Wrong\r\nkey sk-abc and {long} " + "word " * 200, "code": "invalid"}
    }
    said = words_of(json.dumps(body).encode(), trial())
    assert said.startswith("invalid: Wrong key … and … word")
    assert len(said) == 300
    assert words_of(b"not json", trial()) == ""
    assert words_of(b'["x"]', trial()) == ""


def test_models_are_read_from_the_lists_of_all_vendors() -> None:
    assert models_in(b'{"data":[{"id":"gpt-5"},{"id":7}]}') == ("gpt-5",)
    assert models_in(b'{"models":[{"name":"models/gemini-2.5-pro"}]}') == ("gemini-2.5-pro",)
    assert models_in(b'[{"id":"a"}]') == ("a",)
    assert models_in(b"{}") == models_in(b"x") == models_in(b'{"data":5}') == ()


def test_custom_keys_go_where_they_are_told() -> None:
    def headers(**settings: object) -> dict[str, str]:
        return probes_of(trial("custom", **settings), NOW)[0].headers

    assert headers() == {"Authorization": "Bearer sk-abc"}
    assert headers(auth_mode="api-key") == {"api-key": "sk-abc"}
    assert headers(auth_mode="header", auth_header="X-Key") == {"X-Key": "sk-abc"}
