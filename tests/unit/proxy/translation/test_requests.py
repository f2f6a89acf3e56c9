"""Requests keep what both dialects can say, whichever way they go."""

import functools
import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from core.fault import Fault, Refused
from proxy.translation import (
    chat_request,
    converse_request,
    gemini_request,
    messages_request,
)
from proxy.translation.lane import translation_between
from proxy.translation.neutral import Context, Conversation, Message
from proxy.translation.rules import CLIENTS, WIRES, Notes
from proxy.translation.shapes import dumps, loads
from proxy.translation.turns import alternating
from tests.unit.proxy.translation.talks import DIALECTS, MODELS, conversations

SPOKEN = {
    "openai_chat": chat_request,
    "anthropic_messages": messages_request,
    "gemini": gemini_request,
}
PAIRS = [(client, wire) for client in CLIENTS for wire in WIRES if client != wire]


def normal(talk: Conversation) -> Conversation:
    """A conversation without what is only a matter of how it was put."""
    form = None if talk.format is None else replace(talk.format, name="")
    return replace(talk, messages=tuple(alternating(talk.messages)), format=form, asks_usage=True)


def said(dialect: str, talk: Conversation) -> bytes:
    return dumps(SPOKEN[dialect].write(talk, MODELS[dialect], Notes("openai_chat", dialect), None))


def heard(dialect: str, body: bytes) -> Conversation:
    return normal(SPOKEN[dialect].read(loads(body), Notes(dialect, "openai_chat")))


@pytest.mark.parametrize("dialect", DIALECTS)
@given(data=st.data())
@settings(max_examples=25)
def test_what_is_written_is_read_back(dialect: str, data: st.DataObject) -> None:
    talk = data.draw(conversations((dialect,)))
    assert heard(dialect, said(dialect, talk)) == normal(talk)


@pytest.mark.parametrize(("client", "wire"), [(a, b) for a in DIALECTS for b in DIALECTS if a != b])
@given(data=st.data())
@settings(max_examples=20)
def test_nothing_is_lost_that_both_can_say(client: str, wire: str, data: st.DataObject) -> None:
    talk = data.draw(conversations((client, wire)))
    translation = translation_between(client, wire)
    assert translation is not None
    made = translation.request(said(client, talk), MODELS[wire], context=Context("m"))
    assert heard(wire, made.body) == normal(talk)
    assert made.dropped == ()


@given(data=st.data())
@settings(max_examples=20)
def test_what_bedrock_is_asked_fits_its_own_description(data: st.DataObject) -> None:
    talk = data.draw(conversations(("anthropic_messages", "gemini")))
    body = converse_request.write(
        talk, "anthropic.claude-sonnet-4-5", Notes("openai_chat", "bedrock_converse"), None
    )
    assert fits_converse(body) == ""
    roles = [message["role"] for message in body["messages"]]
    assert all(a != b for a, b in itertools.pairwise(roles))


@functools.cache
def converse_shape() -> Any:
    return (
        get_session().get_service_model("bedrock-runtime").operation_model("Converse").input_shape
    )


def fits_converse(body: dict[str, Any]) -> str:
    return ParamValidator().validate({"modelId": "m", **body}, converse_shape()).generate_report()


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 3), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "content",
                    "type",
                    "text",
                    "parts",
                    "model",
                    "tools",
                    "function",
                    "name",
                    "input",
                    "messages",
                    "contents",
                    "functionCall",
                    "functionResponse",
                    "inlineData",
                    "source",
                    "image_url",
                    "tool_calls",
                    "thinking",
                ]
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(("client", "wire"), PAIRS)
@given(data=st.data())
@settings(max_examples=10)
def test_nonsense_is_refused_and_never_breaks_us(
    client: str, wire: str, data: st.DataObject
) -> None:
    name = {"gemini": "contents", "openai_responses": "input"}.get(client, "messages")
    body = {name: data.draw(st.one_of(JUNK, st.lists(JUNK, max_size=2)))}
    body |= data.draw(
        st.dictionaries(
            st.sampled_from(
                [
                    "system",
                    "tools",
                    "tool_choice",
                    "thinking",
                    "reasoning",
                    "generationConfig",
                    "text",
                    "stop",
                    "response_format",
                    "max_tokens",
                    "output_config",
                    "toolConfig",
                ]
            ),
            JUNK,
            max_size=2,
        )
    )
    translation = translation_between(client, wire)
    assert translation is not None
    try:
        made = translation.request(
            json.dumps(body).encode(), MODELS.get(wire, "m"), context=Context("m")
        )
    except Refused as refused:
        assert refused.fault in (Fault.BAD_REQUEST, Fault.UNSUPPORTED_PARAMETER)
        assert refused.message
    else:
        assert isinstance(loads(made.body), dict)


def test_a_body_that_is_no_object_is_refused() -> None:
    translation = translation_between("openai_chat", "gemini")
    assert translation is not None
    for body in (b"[]", b"{", b'"x"', b"[" * 100_000):
        with pytest.raises(Refused) as caught:
            translation.request(body, "m", context=Context("m"))
        assert caught.value.fault is Fault.BAD_REQUEST


def test_neighbours_of_one_role_become_one_turn_with_results_first() -> None:
    talk = (Message("user", ()), Message("user", ()), Message("assistant", ()))
    assert alternating(talk) == []
