"""Invents what the demo's two sources report: spans of agents as OTLP JSON, and recipes as webhook bodies. Pure."""

import hashlib
import random
from datetime import datetime, timedelta
from typing import Any

import orjson

from core.clock import isoformat, to_ms
from streamer.demo.cast import PEOPLE

_AGENT_USERS = [person.email for person in PEOPLE if person.team == "support"]
_TOOLS = ("search_tickets", "read_order", "draft_reply", "refund_order")
_RECIPES = ("lead.enrich", "invoice.classify", "ticket.route")


def spans_body(days_ago: int, midnight: datetime, now: datetime) -> bytes | None:
    """Return one day's spans as an OTLP body, or None when nothing had happened by ``now``."""
    draw = random.Random(f"spans {days_ago}")
    spans: list[dict[str, Any]] = []
    for session in range(draw.randrange(9, 22) if midnight.weekday() < 5 else 3):
        at = midnight + timedelta(hours=draw.uniform(7.5, 18.5))
        user = draw.choice(_AGENT_USERS)
        key = f"{days_ago} {session}"
        steps = [("invoke_agent helpdesk", 0, {}), ("chat_completion", 2, _model(draw))]
        steps += [
            (f"execute_tool {tool}", 5 + 3 * step, {"tool.name": tool})
            for step, tool in enumerate(draw.sample(_TOOLS, draw.randrange(1, 4)))
        ]
        steps.append(("chat_completion", 16, _model(draw)))
        spans += [
            _span(
                f"{key} {index}", name, at + timedelta(seconds=delay), {"user.email": user, **more}
            )
            for index, (name, delay, more) in enumerate(steps)
            if at < now - timedelta(minutes=1)
        ]
    if not spans:
        return None
    resource = {"attributes": _pairs({"service.name": "helpdesk-agents"})}
    group = {"resource": resource, "scopeSpans": [{"spans": spans}]}
    return orjson.dumps({"resourceSpans": [group]})


def webhook_bodies(
    days_ago: int, midnight: datetime, now: datetime
) -> list[tuple[datetime, bytes]]:
    """Return one day's webhook bodies with the moments they arrived at."""
    draw = random.Random(f"recipes {days_ago}")
    made = []
    for number in range(draw.randrange(2, 6)):
        at = midnight + timedelta(hours=draw.uniform(6, 20))
        body = {
            "event": "recipe.success",
            "recipe_id": draw.choice(_RECIPES),
            "job_id": f"job-{days_ago}-{number}",
            "timestamp": isoformat(at),
        }
        if at < now:
            made.append((at, orjson.dumps(body)))
    return made


def _model(draw: random.Random) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "chat_completion",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": draw.choice(("gpt-5-mini", "gpt-5-mini", "gpt-5")),
        "gen_ai.usage.input_tokens": draw.randrange(2_000, 16_000),
        "gen_ai.usage.output_tokens": draw.randrange(120, 900),
    }


def _span(key: str, name: str, at: datetime, attributes: dict[str, Any]) -> dict[str, Any]:
    digest = hashlib.sha256(f"demo span {key}".encode()).hexdigest()
    start_ns = to_ms(at) * 1_000_000
    return {
        "traceId": hashlib.sha256(key.rpartition(" ")[0].encode()).hexdigest()[:32],
        "spanId": digest[:16],
        "name": name,
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": str(start_ns + 1_400_000_000),
        "attributes": _pairs(attributes),
    }


def _pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"intValue": str(v)} if isinstance(v, int) else {"stringValue": v}}
        for key, v in attributes.items()
    ]
