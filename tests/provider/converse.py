"""Answers of Bedrock's Converse, whole or as the messages of an event stream. Pure; framing is the caller's."""

from collections.abc import Callable
from typing import Any

import orjson

from tests.provider.answers import WORDS, Answer
from tests.provider.behaviour import Behaviour

Frame = Callable[[dict[str, str], bytes], bytes]
_HEAD = "HTTP/1.1 200 OK\r\ncontent-type: {}\r\nx-amzn-requestid: fake-converse\r\n"


def answer(asked: dict[str, Any], behaviour: Behaviour, streamed: bool, frame: Frame) -> Answer:
    """The answer to a Converse request: words, and as many calls of its tools as scripted."""
    words = [orjson.loads(b'"' + WORDS[n % len(WORDS)] + b'"') for n in range(behaviour.chunks)]
    tools = _calls(asked, behaviour)
    stop = "tool_use" if tools else "end_turn"
    prompt = behaviour.prompt if behaviour.prompt >= 0 else max(1, len(orjson.dumps(asked)) // 4)
    output = behaviour.completion if behaviour.completion >= 0 else behaviour.chunks
    usage = {"inputTokens": prompt, "outputTokens": output, "totalTokens": prompt + output}
    if behaviour.cached:
        usage["cacheReadInputTokens"] = behaviour.cached
    counted = {"prompt": prompt, "completion": output, "cached": behaviour.cached}
    if not streamed:
        content = [{"text": "".join(words)}, *({"toolUse": tool} for tool in tools)]
        body = {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": stop,
            "usage": usage,
            "metrics": {"latencyMs": 12},
        }
        head = _HEAD.format("application/json").encode()
        return Answer(200, head, orjson.dumps(body), None, "converse", counted)
    events = _events(words, tools, stop, usage, frame)
    head = _HEAD.format("application/vnd.amazon.eventstream").encode()
    exception = {":exception-type": "throttlingException", ":message-type": "exception"}
    return Answer(
        200,
        head,
        events=events,
        answer_id="converse",
        counted=counted,
        lead_events=1,
        text_events=len(words),
        error_event=frame(exception, b'{"message":"Too many tokens, please wait."}'),
    )


def _calls(asked: dict[str, Any], behaviour: Behaviour) -> list[dict[str, Any]]:
    config = asked.get("toolConfig") or {}
    names = [tool["toolSpec"]["name"] for tool in config.get("tools", []) if "toolSpec" in tool]
    choice = config.get("toolChoice") or {}
    wanted = behaviour.tool_calls or int("any" in choice or "tool" in choice)
    return [
        {
            "toolUseId": f"tooluse_{number}",
            "name": names[number % len(names)] if names else "get_weather",
            "input": {"city": "Bern", "number": number},
        }
        for number in range(wanted)
    ]


def _events(
    words: list[str],
    tools: list[dict[str, Any]],
    stop: str,
    usage: dict[str, int],
    frame: Frame,
) -> list[bytes]:
    told: list[tuple[str, dict[str, Any]]] = [("messageStart", {"role": "assistant"})]
    for word in words:
        told.append(("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": word}}))
    told.append(("contentBlockStop", {"contentBlockIndex": 0}))
    for index, tool in enumerate(tools, 1):
        start = {"toolUse": {"toolUseId": tool["toolUseId"], "name": tool["name"]}}
        told.append(("contentBlockStart", {"contentBlockIndex": index, "start": start}))
        text = orjson.dumps(tool["input"]).decode()
        for part in (text[:7], text[7:]):
            delta = {"toolUse": {"input": part}}
            told.append(("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}))
        told.append(("contentBlockStop", {"contentBlockIndex": index}))
    told.append(("messageStop", {"stopReason": stop}))
    told.append(("metadata", {"usage": usage, "metrics": {"latencyMs": 12}}))
    kind = {":content-type": "application/json", ":message-type": "event"}
    return [frame({":event-type": name, **kind}, orjson.dumps(value)) for name, value in told]
