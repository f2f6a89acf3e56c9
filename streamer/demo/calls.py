"""Invents calls through the gateway, day by day, as the spend commands a gateway worker would ship. Pure.

The same day and caller always give the same calls; only the dates move with the calendar.
"""

import hashlib
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.clock import to_ms
from rules.catalogue import price_of
from rules.pricing import cost_nanousd
from rules.usage import Usage
from rules.windows import Window, period
from streamer.demo import words
from streamer.demo.cast import (
    CAPTURED,
    DAYS,
    KEPT_DAYS,
    OPUS,
    PEOPLE,
    RUNAWAY,
    RUNAWAY_CALLS,
    RUNAWAY_PROMPT_TOKENS,
    SERVICES,
    Caller,
    Model,
)
from streamer.demo.entities import World

WORKER = "demo"
_WEEKEND_SHARE = 0.12
_NIGHT_OWLS = 0.06
# The share of today's use that there was at the beginning.
_EARLY_SHARE = 0.55
_OUTCOMES = ("completed",) * 94 + ("cancelled",) * 3 + ("failed",) * 2 + ("refused",)


@dataclass(frozen=True, slots=True)
class Plan:
    """One call that shall have happened."""

    caller: Caller
    model: Model
    at: datetime
    number: str
    """Unique among all plans, the same whenever the demo is filled."""
    prompt_tokens: int
    outcome: str
    is_kept: bool = False
    """Its words were captured."""


def commands(
    world: World, days_ago: int, midnight: datetime, now: datetime
) -> list[dict[str, Any]]:
    """Return the commands of one day, whose first moment is ``midnight``; nothing lies after ``now``."""
    plans = [plan for plan in _plans(days_ago, midnight) if plan.at < now - timedelta(minutes=1)]
    made: list[dict[str, Any]] = []
    for plan in sorted(plans, key=lambda plan: plan.at):
        made += _commands(world, plan)
    return made


def _plans(days_ago: int, midnight: datetime) -> Iterator[Plan]:
    for caller in (*PEOPLE, *SERVICES):
        if days_ago > caller.joined_days_ago:
            continue
        draw = random.Random(f"{caller.name} {days_ago}")
        for index in range(_number_of_calls(caller, days_ago, midnight, draw)):
            prompt = draw.lognormvariate(math.log(caller.prompt_tokens), 0.7)
            model, at = draw.choice(caller.models), _second_of_day(caller, draw)
            outcome = draw.choice(_OUTCOMES)
            yield Plan(
                caller,
                model,
                midnight + timedelta(seconds=at),
                f"{caller.name} {days_ago} {index}",
                min(int(prompt), 180_000),
                outcome,
                caller is CAPTURED and days_ago < KEPT_DAYS and outcome == "completed",
            )
    if days_ago == 1:
        yield from _runaway(midnight)


def _runaway(midnight: datetime) -> Iterator[Plan]:
    draw = random.Random("runaway")
    begin = midnight + timedelta(hours=13, minutes=20)
    for index in range(RUNAWAY_CALLS):
        at = begin + timedelta(seconds=index * 14 + draw.random() * 10)
        prompt = int(RUNAWAY_PROMPT_TOKENS * draw.uniform(0.8, 1.3))
        yield Plan(RUNAWAY, OPUS, at, f"runaway {index}", prompt, "completed")


def _number_of_calls(caller: Caller, days_ago: int, midnight: datetime, draw: random.Random) -> int:
    grown = 1 - (1 - _EARLY_SHARE) * days_ago / DAYS
    resting = 1.0 if midnight.weekday() < 5 or not caller.email else _WEEKEND_SHARE
    return round(caller.calls * grown * resting * draw.lognormvariate(0, 0.25))


def _second_of_day(caller: Caller, draw: random.Random) -> float:
    if not caller.email or draw.random() < _NIGHT_OWLS:
        return draw.uniform(0, 86_399)
    hour = draw.gauss(10.5, 1.3) if draw.random() < 0.5 else draw.gauss(15.0, 1.6)
    return min(max(hour, 0.0), 23.9) * 3600


def _usage(plan: Plan, draw: random.Random) -> Usage:
    if plan.outcome in ("refused", "failed"):
        return Usage()
    read = int(plan.prompt_tokens * draw.uniform(0.45, 0.85))
    written = int(plan.prompt_tokens * draw.uniform(0.02, 0.12))
    if plan.model.provider_type == "openai":
        written = 0
    output = int(draw.lognormvariate(math.log(650), 0.6))
    if plan.outcome == "cancelled":
        output //= 3
    return Usage(plan.prompt_tokens - read - written, output, read, written)


def _commands(world: World, plan: Plan) -> list[dict[str, Any]]:
    draw = random.Random(plan.number)
    usage = _usage(plan, draw)
    price = price_of(plan.model.provider_type, plan.model.name, plan.at)
    admission = _admission(world, plan, price.source)
    is_refused = plan.outcome == "refused"
    duration_ms = 4 if is_refused else int(700 + usage.output_tokens * draw.uniform(9, 16))
    cost = 0 if is_refused else cost_nanousd(usage, price)
    settlement = {
        "call_id": admission["call_id"],
        "settled_at_ms": admission["admitted_at_ms"] + duration_ms,
        "outcome": plan.outcome,
        **_ending(plan.outcome),
        "model": plan.model.name,
        "duration_ms": duration_ms,
        "first_byte_ms": None if usage == Usage() else int(draw.uniform(280, 900)),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "cost_nanousd": cost,
        "is_estimated": False,
        "price_source": price.source,
        "charges": [] if is_refused else admission["charges"],
        "owner": WORKER,
    }
    if is_refused:
        refused = {"command": "failSpend", "payload": settlement | {"admission": admission}}
        return [refused]
    command = "failSpend" if plan.outcome == "failed" else "confirmSpend"
    made = [{"command": "admitSpend", "payload": admission}]
    if plan.is_kept:
        settlement["facts"] = {"capture": "redacted"}
        made.append(words.content(admission, plan.number, settlement["settled_at_ms"]))
    return [*made, {"command": command, "payload": settlement}]


def _ending(outcome: str) -> dict[str, Any]:
    return {
        "completed": {"status": 200, "code": ""},
        "cancelled": {"status": 200, "code": "client_gone"},
        "failed": {"status": 529, "code": "provider_error"},
        "refused": {"status": 402, "code": "budget_exceeded"},
    }[outcome]


def _admission(world: World, plan: Plan, price_source: str) -> dict[str, Any]:
    digest = hashlib.sha256(f"demo {world.organization_id} {plan.number}".encode()).hexdigest()
    team_id = world.teams[plan.caller.team]
    project_id = world.projects[plan.caller.project]
    scopes = (world.organization_id, team_id, project_id)
    limits = [world.budgets[scope_id] for scope_id in scopes if scope_id in world.budgets]
    return {
        "call_id": f"req_{digest[:30]}",
        "admitted_at_ms": to_ms(plan.at),
        "organization_id": world.organization_id,
        "project_id": project_id,
        "team_id": team_id,
        "virtual_key_id": world.keys[plan.caller.name],
        "principal_user_id": world.users.get(plan.caller.name),
        "provider_id": world.providers[plan.model.provider_type],
        "provider_type": plan.model.provider_type,
        "request_type": plan.model.request_type,
        "model": plan.model.name,
        "requested_model": plan.model.name,
        "is_streamed": True,
        "estimate_nanousd": 0,
        "price_source": price_source,
        "charges": [
            [limit.id, to_ms(period(Window(limit.window), plan.at)[0])] for limit in limits
        ],
        "trace_id": digest[:32],
        "span_id": digest[32:48],
        "session_id": f"session-{digest[48:60]}",
        "worker": WORKER,
    }
