"""The cells of the SDK matrix in Python: each asks through an unmodified SDK and checks what comes back.

A case returns nothing when all is well, raises `NotSaidError` with the reason where the API has no word for the
feature, and raises anything else when the cell is broken.
"""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import httpx2
import openai
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types

from tests.sdk.matrix_site import Beside

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)
PNG_START = PNG[:40]
"""Without the letters that are spelled otherwise in addresses, as some SDKs write it."""
START = "Grüezi – a calm"
ARGUMENTS = {"city": "Zürich", "unit": "celsius"}
NAMES = ["get_weather", "get_time"]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"type": "string"}},
}
COUNTS = "prompt=40,completion=9"
HANDLED = "x-langwatch-handled-error"
SLOW = "chunks=400,delay_ms=10"
LEFT_SECONDS = 5


ESTIMATED = "The provider has no call that counts this; the gateway estimates it, rather too high."
ASKED_IN_CHAT = (
    "Chat completions, in which this provider is asked, tell how much was thought, not what."
)


class NotSaidError(Exception):
    """The API has no word for a feature; the reason is for the page."""


class Bench:
    """The clients, and what the provider was asked."""

    def __init__(self, beside: Beside) -> None:
        self.beside = beside
        self._new = httpx2.Client(timeout=10, trust_env=False)
        self._old = httpx.Client(timeout=10, trust_env=False)
        self.openai = openai.OpenAI(
            base_url=f"{beside.gateway}/v1",
            api_key=beside.key,
            max_retries=0,
            http_client=self._new,
        )
        self.anthropic = anthropic.Anthropic(
            base_url=beside.gateway,
            api_key=beside.key,
            max_retries=0,
            http_client=self._new,
        )
        self.genai = genai.Client(
            api_key=beside.key,
            http_options=genai_types.HttpOptions(base_url=beside.gateway, httpx_client=self._old),
        )

    def close(self) -> None:
        """Close the clients."""
        self.genai.close()
        self._new.close()
        self._old.close()

    def saw(self, text: str) -> bool:
        """Whether the provider's last request holds a text."""
        calls = self.beside.control("/calls")
        return text in (calls[-1]["body"] or "")

    def was_left(self) -> None:
        """Wait until the provider has noticed that the client of its last call went away."""
        until = time.monotonic() + LEFT_SECONDS
        while time.monotonic() < until:
            last = self.beside.control("/calls")[-1]
            if last["outcome"] != "open":
                assert last["outcome"] == "client_closed", last["outcome"]
                return
        raise AssertionError("the provider still answers a client that is gone")


# OpenAI: chat completions
TOOLS: Any = [{"type": "function", "function": {"name": n, "parameters": SCHEMA}} for n in NAMES]
HELLO: Any = [{"role": "user", "content": "hello"}]


def chat(bench: Bench, model: str, feature: str) -> None:
    """Ask for a chat completion."""
    ask = bench.openai.chat.completions.create
    if feature == "plain":
        answer = ask(model=model, messages=HELLO)
        assert (answer.choices[0].message.content or "").startswith(START)
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (40, 9)
    elif feature == "streamed":
        options: Any = {"include_usage": True}
        chunks = list(ask(model=model, messages=HELLO, stream=True, stream_options=options))
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert text.startswith(START)
        assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
        assert [c.usage.completion_tokens for c in chunks if c.usage] == [9]
    elif feature == "tools":
        answer = ask(model=model, messages=HELLO, tools=TOOLS, tool_choice="required")
        assert answer.choices[0].finish_reason == "tool_calls"
        _check_calls([(c.function, 1) for c in answer.choices[0].message.tool_calls or []], 1)
    elif feature == "parallel tools":
        calls: dict[int, list[str]] = {}
        for chunk in ask(model=model, messages=HELLO, tools=TOOLS, stream=True):
            for part in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
                made = calls.setdefault(part.index, ["", ""])
                if part.function:
                    made[0] += part.function.name or ""
                    made[1] += part.function.arguments or ""
        assert [(n, json.loads(a)) for n, a in calls.values()] == [(n, ARGUMENTS) for n in NAMES]
    elif feature == "images":
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
        said: Any = [{"role": "user", "content": [{"type": "text", "text": "what?"}, image]}]
        assert ask(model=model, messages=said).choices[0].message.content
        assert bench.saw(PNG_START)
    elif feature == "thinking":
        raise NotSaidError("Chat completions tell how much was thought, not what.")
    elif feature == "errors":
        _fails_openai(lambda: ask(model=model, messages=HELLO))
    else:
        next(iter(stream := ask(model=model, messages=HELLO, stream=True)))
        stream.close()
        bench.was_left()


def _check_calls(calls: list[tuple[Any, int]], count: int) -> None:
    assert [(c.name, json.loads(c.arguments)) for c, _ in calls] == [
        (name, ARGUMENTS) for name in NAMES[:count]
    ]


def _fails_openai(ask: Callable[[], Any]) -> None:
    try:
        ask()
    except openai.BadRequestError as error:
        if HANDLED in error.response.headers:
            raise
        assert error.body
    else:
        raise AssertionError("the provider's refusal did not reach the client")


# OpenAI: Responses
FLAT: Any = [{"type": "function", "name": n, "parameters": SCHEMA, "strict": False} for n in NAMES]


def responses(bench: Bench, model: str, feature: str) -> None:
    """Ask for a response."""
    client, given = bench.openai.responses, {"model": model, "input": "hello"}
    ask: Any = client.create
    if feature == "plain":
        answer = ask(**given)
        assert answer.output_text.startswith(START)
        assert answer.status == "completed"
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (40, 9)
    elif feature == "streamed":
        events = list(ask(**given, stream=True))
        text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
        assert text.startswith(START)
        assert events[-1].type == "response.completed"
        assert events[-1].response.output_text == text
        assert events[-1].response.usage.output_tokens == 9
    elif feature == "tools":
        answer = ask(**given, tools=FLAT, tool_choice="required")
        made = [item for item in answer.output if item.type == "function_call"]
        _check_calls([(item, 1) for item in made], 1)
    elif feature == "parallel tools":
        with client.stream(**given, tools=FLAT) as stream:  # type: ignore[call-overload]
            answer = stream.until_done().get_final_response()
        made = [item for item in answer.output if item.type == "function_call"]
        _check_calls([(item, 1) for item in made], 2)
    elif feature == "images":
        image = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}
        said = [{"role": "user", "content": [{"type": "input_text", "text": "what?"}, image]}]
        assert ask(model=model, input=said).output_text
        assert bench.saw(PNG_START)
    elif feature == "thinking":
        include = ["reasoning.encrypted_content"]
        events = list(ask(**given, stream=True, include=include, reasoning={"summary": "auto"}))
        items = [i for i in events[-1].response.output if i.type == "reasoning"]
        assert "".join(part.text for part in items[0].summary) == "Short question; short answer."
    elif feature == "errors":
        _fails_openai(lambda: ask(**given))
    else:
        next(iter(stream := ask(**given, stream=True)))
        stream.close()
        bench.was_left()


# Anthropic: Messages
CLAUDE_TOOLS: Any = [{"name": name, "input_schema": SCHEMA} for name in NAMES]


def messages(bench: Bench, model: str, feature: str) -> None:
    """Ask for a message."""
    client = bench.anthropic.messages
    given: Any = {"model": model, "max_tokens": 4096, "messages": HELLO}
    if feature == "plain":
        answer = client.create(**given)
        assert answer.content[0].text.startswith(START)
        assert answer.stop_reason == "end_turn"
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (40, 9)
    elif feature == "streamed":
        with client.stream(**given) as stream:
            text = "".join(stream.text_stream)
            answer = stream.get_final_message()
        assert text.startswith(START)
        assert (answer.stop_reason, answer.usage.output_tokens) == ("end_turn", 9)
    elif feature == "tools":
        answer = client.create(**given, tools=CLAUDE_TOOLS, tool_choice={"type": "any"})
        made = [(b.name, b.input) for b in answer.content if b.type == "tool_use"]
        assert made == [("get_weather", ARGUMENTS)]
        assert answer.stop_reason == "tool_use"
    elif feature == "parallel tools":
        with client.stream(**given, tools=CLAUDE_TOOLS) as stream:
            answer = stream.get_final_message()
        made = [(b.name, b.input) for b in answer.content if b.type == "tool_use"]
        assert made == [(name, ARGUMENTS) for name in NAMES]
    elif feature == "images":
        source = {"type": "base64", "media_type": "image/png", "data": PNG}
        said = [{"role": "user", "content": [{"type": "image", "source": source}]}]
        assert client.create(**(given | {"messages": said})).content[0].text
        assert bench.saw(PNG_START)
    elif feature == "thinking":
        thinking = {"type": "enabled", "budget_tokens": 1024}
        with client.stream(**given, thinking=thinking) as stream:
            answer = stream.get_final_message()
        if answer.content[0].type == "text":
            raise NotSaidError(ASKED_IN_CHAT)
        assert answer.content[0].type == "thinking"
        assert answer.content[0].thinking == "Short question; short answer."
    elif feature == "errors":
        try:
            client.create(**given)
        except anthropic.BadRequestError as error:
            if HANDLED in error.response.headers:
                raise
            assert isinstance(error.body, dict)
            assert error.body["type"] == "error"
        else:
            raise AssertionError("the provider's refusal did not reach the client")
    else:
        next(iter(stream := client.create(**given, stream=True)))
        stream.close()
        bench.was_left()


# Gemini: generateContent
def gemini(bench: Bench, model: str, feature: str) -> None:
    """Ask for generated content."""
    client = bench.genai.models
    declared: Any = [{"name": name, "parameters_json_schema": SCHEMA} for name in NAMES]
    tools: Any = {
        "tools": [{"function_declarations": declared}],
        "tool_config": {"function_calling_config": {"mode": "ANY"}},
    }
    if feature == "plain":
        answer = client.generate_content(model=model, contents="hello")
        assert (answer.text or "").startswith(START)
        assert answer.usage_metadata
        assert answer.usage_metadata.prompt_token_count == 40
        assert answer.usage_metadata.candidates_token_count == 9
    elif feature == "streamed":
        chunks = list(client.generate_content_stream(model=model, contents="hello"))
        assert "".join(chunk.text or "" for chunk in chunks).startswith(START)
        assert chunks[-1].candidates
        assert chunks[-1].candidates[0].finish_reason == genai_types.FinishReason.STOP
        assert chunks[-1].usage_metadata
        assert chunks[-1].usage_metadata.candidates_token_count == 9
    elif feature == "tools":
        answer = client.generate_content(model=model, contents="hello", config=tools)
        made = [(c.name, c.args) for c in answer.function_calls or []]
        assert made == [("get_weather", ARGUMENTS)]
    elif feature == "parallel tools":
        stream = client.generate_content_stream(model=model, contents="hello", config=tools)
        made = [(c.name, c.args) for chunk in stream for c in chunk.function_calls or []]
        assert made == [(name, ARGUMENTS) for name in NAMES]
    elif feature == "images":
        image = genai_types.Part.from_bytes(data=base64.b64decode(PNG), mime_type="image/png")
        assert client.generate_content(model=model, contents=[image, "what?"]).text
        assert bench.saw(PNG_START)
    elif feature == "thinking":
        config: Any = {"thinking_config": {"include_thoughts": True}}
        stream = client.generate_content_stream(model=model, contents="hello", config=config)
        thoughts = ""
        for chunk in stream:
            content = chunk.candidates[0].content if chunk.candidates else None
            for part in (content.parts if content else None) or []:
                thoughts += (part.text or "") if part.thought else ""
        if not thoughts:
            raise NotSaidError(ASKED_IN_CHAT)
        assert thoughts == "Short question; short answer."
    elif feature == "errors":
        _fails_google(lambda: client.generate_content(model=model, contents="hello"))
    else:
        stream = client.generate_content_stream(model=model, contents="hello")
        next(stream)
        stream.close()
        bench.was_left()


def _fails_google(ask: Callable[[], Any]) -> None:
    try:
        ask()
    except genai_errors.ClientError as error:
        if HANDLED in error.response.headers:  # type: ignore[union-attr]
            raise
        assert (error.code, error.status) == (400, "INVALID_ARGUMENT")
        assert error.message
    else:
        raise AssertionError("the provider's refusal did not reach the client")


# The others
def completions(bench: Bench, model: str, feature: str) -> None:
    """Ask for a text completion."""
    ask: Any = bench.openai.completions.create
    if feature == "plain":
        answer = ask(model=model, prompt="hello")
        assert answer.choices[0].text.startswith(START)
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (40, 9)
    elif feature == "streamed":
        chunks = list(ask(model=model, prompt="hello", stream=True))
        assert "".join(c.choices[0].text for c in chunks).startswith(START)
    elif feature == "errors":
        _fails_openai(lambda: ask(model=model, prompt="hello"))
    else:
        next(iter(stream := ask(model=model, prompt="hello", stream=True)))
        stream.close()
        bench.was_left()


def _answer_of(bench: Bench, api: str, model: str) -> Any:
    client = bench.openai
    if api == "embeddings":
        told = client.embeddings.create(model=model, input=["a", "b"])
        assert [len(row.embedding) for row in told.data] == [8, 8]
    elif api == "images":
        pictures = client.images.generate(model=model, prompt="a pond")
        assert pictures.data
        assert pictures.data[0].b64_json == PNG
    elif api == "speech":
        sound = client.audio.speech.create(model=model, input="hello", voice="alloy")
        assert sound.content.startswith(b"ID3")
    elif api == "transcriptions":
        said = client.audio.transcriptions.create(model=model, file=("a.wav", b"RIFF\0\xff"))
        assert said.text.startswith(START)
    else:
        assert client.moderations.create(model=model, input="x").results[0].flagged is False


def _others(api: str) -> Callable[[Bench, str, str], None]:
    def case(bench: Bench, model: str, feature: str) -> None:
        if feature == "plain":
            _answer_of(bench, api, model)
        else:
            _fails_openai(lambda: _answer_of(bench, api, model))

    return case


def count_tokens(bench: Bench, model: str, feature: str) -> None:
    """Ask how many tokens a message has."""
    ask: Any = bench.anthropic.messages.count_tokens
    try:
        told = ask(model=model, messages=HELLO)
    except anthropic.BadRequestError as error:
        if HANDLED in error.response.headers:
            raise
        assert feature == "errors"
    else:
        counted_by(told.input_tokens, feature)


def counted_by(tokens: int | None, feature: str) -> None:
    """Tell a provider's count from an estimate of the gateway's own, which no provider can refuse."""
    if tokens != 40:
        assert tokens
        raise NotSaidError(ESTIMATED)
    assert feature == "plain"


def embed(bench: Bench, model: str, feature: str) -> None:
    """Ask Gemini for vectors."""
    if feature == "plain":
        told = bench.genai.models.embed_content(model=model, contents=["a", "b"])
        assert [len(row.values or []) for row in told.embeddings or []] == [8, 8]
    else:
        _fails_google(lambda: bench.genai.models.embed_content(model=model, contents="a"))


def count(bench: Bench, model: str, feature: str) -> None:
    """Ask Gemini how many tokens contents have."""
    try:
        told = bench.genai.models.count_tokens(model=model, contents="a")
    except genai_errors.ClientError as error:
        if feature != "errors" or HANDLED in error.response.headers:  # type: ignore[union-attr]
            raise
    else:
        counted_by(told.total_tokens, feature)


CASES: dict[str, Callable[[Bench, str, str], None]] = {
    "chat": chat,
    "responses": responses,
    "messages": messages,
    "gemini": gemini,
    "completions": completions,
    **{
        name: _others(name)
        for name in ("embeddings", "images", "speech", "transcriptions", "moderations")
    },
    "count_tokens": count_tokens,
    "embed": embed,
    "count": count,
}
SCRIPTS = {
    "plain": COUNTS,
    "streamed": COUNTS,
    "tools": "ok",
    "parallel tools": "tool_calls=2",
    "images": "ok",
    "thinking": "thinking",
    "errors": "status=400",
    "cancel": SLOW,
}


def refusal_of(error: Exception) -> str:
    """The code with which the gateway itself refused; empty for any other error."""
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None) or {}
    return str(headers.get(HANDLED, ""))
