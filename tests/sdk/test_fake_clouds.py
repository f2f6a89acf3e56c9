"""The fake clouds are what their vendors' own SDKs speak to; otherwise what is proven against them is nothing."""

import json

import anthropic
import boto3
import httpx
import pytest
from anthropic import AnthropicBedrock, AnthropicVertex
from botocore.config import Config
from botocore.exceptions import ClientError
from openai import AzureOpenAI, NotFoundError

from tests.provider.clouds import AWS_KEYS, AWS_REGION, AZURE_KEY, ENTRA, PROJECT, REGION
from tests.provider.handle import FakeProvider

ASK = {"max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
CLAUDE = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
NO_RETRY = {"max_retries": 0, "timeout": 10}


def bedrock(provider: FakeProvider, key: str = "AKIAFAKE", secret: str = "") -> AnthropicBedrock:
    known, session = AWS_KEYS[key]
    return AnthropicBedrock(
        aws_access_key=key,
        aws_secret_key=secret or known,
        aws_session_token=session or None,
        aws_region=AWS_REGION,
        base_url=provider.url,
        **NO_RETRY,
    )


@pytest.mark.parametrize("key", AWS_KEYS)
def test_anthropics_bedrock_client_gets_answers_and_streams(
    provider: FakeProvider, key: str
) -> None:
    with bedrock(provider, key) as client:
        whole = client.messages.create(model=CLAUDE, **ASK)
        assert whole.usage.output_tokens == 8
        with client.messages.stream(model=CLAUDE, **ASK) as stream:
            text = "".join(stream.text_stream)
        assert text == whole.content[0].text
    assert provider.last_call()["target"].endswith("/invoke-with-response-stream")


def test_a_wrong_signature_or_session_is_refused(provider: FakeProvider) -> None:
    with (
        bedrock(provider, secret="wrong") as client,
        pytest.raises(anthropic.PermissionDeniedError, match="signature we calculated"),
    ):
        client.messages.create(model=CLAUDE, **ASK)
    with bedrock(provider) as client, pytest.raises(anthropic.BadRequestError, match="identifier"):
        client.messages.create(model="missing", **ASK)


def test_awss_own_client_converses(provider: FakeProvider) -> None:
    client = boto3.client(
        "bedrock-runtime",
        region_name=AWS_REGION,
        endpoint_url=provider.url,
        aws_access_key_id="AKIAFAKE",
        aws_secret_access_key=AWS_KEYS["AKIAFAKE"][0],
        config=Config(retries={"max_attempts": 1}),
    )
    said = [{"role": "user", "content": [{"text": "hello"}]}]
    whole = client.converse(modelId="amazon.nova-pro-v1:0", messages=said)
    assert whole["stopReason"] == "end_turn"
    events = list(client.converse_stream(modelId="amazon.nova-pro-v1:0", messages=said)["stream"])
    texts = [e["contentBlockDelta"]["delta"]["text"] for e in events if "contentBlockDelta" in e]
    assert "".join(texts) == whole["output"]["message"]["content"][0]["text"]
    assert events[-1]["metadata"]["usage"]["outputTokens"] == len(texts)
    counted = client.count_tokens(
        modelId=CLAUDE,
        input={
            "invokeModel": {
                "body": json.dumps({"anthropic_version": "bedrock-2023-05-31", **ASK}).encode()
            }
        },
    )
    assert counted["inputTokens"] > 0
    provider.behave("status=429")
    with pytest.raises(ClientError, match="ThrottlingException"):
        client.converse(modelId="amazon.nova-pro-v1:0", messages=said)
    client.close()


def test_anthropics_vertex_client_works_with_a_token(
    provider: FakeProvider,
) -> None:
    token = token_of(provider)
    client = AnthropicVertex(
        project_id=PROJECT,
        region=REGION,
        access_token=token,
        base_url=f"{provider.url}/v1",
        **NO_RETRY,
    )
    with client:
        whole = client.messages.create(model="claude-haiku-4-5@20251001", **ASK)
        with client.messages.stream(model="claude-haiku-4-5@20251001", **ASK) as stream:
            assert "".join(stream.text_stream) == whole.content[0].text
        assert client.messages.count_tokens(model="claude-x", messages=ASK["messages"])
    with (
        AnthropicVertex(
            project_id=PROJECT,
            region=REGION,
            access_token="no",
            base_url=f"{provider.url}/v1",
            **NO_RETRY,
        ) as stranger,
        pytest.raises(anthropic.AuthenticationError),
    ):
        stranger.messages.create(model="claude-x", **ASK)


def token_of(provider: FakeProvider) -> str:
    """A token for the application that Entra knows; the fake's clouds take any token that it gave."""
    form = ENTRA | {"grant_type": "client_credentials", "scope": "x"}
    answer = httpx.post(
        f"{provider.url}/{ENTRA['tenant_id']}/oauth2/v2.0/token", data=form, trust_env=False
    )
    return str(answer.json()["access_token"])


def test_openais_azure_client_calls_a_deployment(provider: FakeProvider) -> None:
    client = AzureOpenAI(
        api_key=AZURE_KEY, api_version="2024-10-21", azure_endpoint=provider.url, **NO_RETRY
    )
    said = [{"role": "user", "content": "hello"}]
    with client:
        whole = client.chat.completions.create(model="prod-4o", messages=said)
        stream = client.chat.completions.create(model="prod-4o", messages=said, stream=True)
        chunks = [chunk for chunk in stream if chunk.choices]
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == (
            whole.choices[0].message.content
        )
        with pytest.raises(NotFoundError, match="deployment for this resource"):
            client.chat.completions.create(model="missing", messages=said)
