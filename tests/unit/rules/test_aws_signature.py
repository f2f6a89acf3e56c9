"""Our signatures are those of botocore, over bodies, paths with escapes, and temporary keys."""

from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from rules.aws_signature import AwsKey, AwsScope, signed_headers, signing_key

NOW = datetime(2026, 11, 25, 23, 59, 59, tzinfo=UTC)
KEY = AwsKey("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SCOPE = AwsScope("eu-central-1", "bedrock")
HOST = "bedrock-runtime.eu-central-1.amazonaws.com"


def by_botocore(key: AwsKey, method: str, path: str, host: str, body: bytes) -> str:
    auth = SigV4Auth(
        Credentials(key.access_key, key.secret_key, key.session_token or None),
        "bedrock",
        "eu-central-1",
    )
    moment = NOW.strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": host, "x-amz-date": moment}
    if key.session_token:
        headers["x-amz-security-token"] = key.session_token
    request = AWSRequest(method, f"https://{host}{path}", headers=headers, data=body)
    request.context["timestamp"] = moment
    text = auth.string_to_sign(request, auth.canonical_request(request))
    return str(auth.signature(text, request))


def ours(key: AwsKey, method: str, path: str, host: str, body: bytes) -> str:
    headers = dict(signed_headers(key, SCOPE, (method, path, host, body), NOW))
    assert headers.get("x-amz-security-token", "") == key.session_token
    return headers["authorization"].rpartition("Signature=")[2]


@pytest.mark.parametrize(
    "path",
    [
        "/model/anthropic.claude-haiku-4-5-20251001-v1%3A0/invoke",
        "/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A123%3Aprofile%2Fx/converse-stream",
        "/base/model/amazon.nova-pro-v1:0/converse",
        "/model/sp%20ace~tilde/invoke",
    ],
)
@pytest.mark.parametrize("session_token", ["", "FwoGZXIvYXdzE+/=="])
def test_signs_as_botocore_does(path: str, session_token: str) -> None:
    key = KEY._replace(session_token=session_token)
    body = '{"messages":[{"role":"user","content":"Grüezi"}]}'.encode()
    assert ours(key, "POST", path, HOST, body) == by_botocore(key, "POST", path, HOST, body)


@given(
    body=st.binary(max_size=300),
    model=st.text("abc-._~", min_size=1, max_size=20).filter(lambda m: m.strip(".")),
    port=st.integers(1, 65535),
)
def test_signs_any_body_model_and_host_as_botocore_does(body: bytes, model: str, port: int) -> None:
    path, host = f"/model/{model}/invoke", f"vpce.test:{port}"
    assert ours(KEY, "POST", path, host, body) == by_botocore(KEY, "POST", path, host, body)


def test_a_kept_key_makes_the_same_signature() -> None:
    request = ("POST", "/model/m/invoke", HOST, b"{}")
    kept = signing_key(KEY, SCOPE, "20261125")
    assert signed_headers(KEY, SCOPE, request, NOW, kept) == signed_headers(
        KEY, SCOPE, request, NOW
    )
