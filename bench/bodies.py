"""The two request bodies of the benchmark: a small question and a coding agent's turn."""

import json
from pathlib import Path

AGENT_BODY_BYTES = 200_000


def small(folder: Path) -> Path:
    """A file with about 150 bytes of chat request."""
    asked = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "Say hello in one short sentence."}],
        "max_tokens": 64,
    }
    return _written(folder / "small.json", asked)


def agent(folder: Path) -> Path:
    """A file with a 200 kB turn: tools, and a history of tool calls and their results."""
    tools = [
        {
            "type": "function",
            "function": {
                "name": f"tool_{number}",
                "description": "Does one thing in the working copy. " * 20,
                "parameters": {"type": "object", "properties": {"path": {"type": "string"}}},
            },
        }
        for number in range(20)
    ]
    messages: list[dict[str, object]] = [{"role": "system", "content": "You write code. " * 200}]
    asked = {"model": "gpt-4o-mini", "messages": messages, "tools": tools, "max_tokens": 4096}
    line = 'def area(width: float, height: float) -> float:\n    return width * height  # "m²"\n'
    while len(json.dumps(asked, ensure_ascii=False)) < AGENT_BODY_BYTES:
        call = {"name": "tool_1", "arguments": '{"path": "src/area.py"}'}
        made = {"id": f"call_{len(messages)}", "type": "function", "function": call}
        messages.append({"role": "assistant", "content": None, "tool_calls": [made]})
        messages.append({"role": "tool", "tool_call_id": made["id"], "content": line * 25})
    return _written(folder / "agent.json", asked)


def _written(path: Path, asked: dict[str, object]) -> Path:
    path.write_text(json.dumps(asked, ensure_ascii=False))
    return path
