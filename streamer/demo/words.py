"""What was asked and answered in the demo's captured calls: reviews of small changes, as a gateway keeps them. Pure."""

import random
from typing import Any

import orjson

_SYSTEM = "You review pull requests. Be brief, name file and line, and say when a change is fine."
_REVIEWS = (
    (
        "Review this change:\n\n--- a/billing/invoice.py\n+++ b/billing/invoice.py\n"
        "@@ -41,3 +41,3 @@\n-    total = sum(item.price for item in items)\n"
        "+    total = sum(item.price * item.quantity for item in items)",
        "billing/invoice.py:41: right, quantities were ignored. Add a test with a quantity above one; "
        "the present ones would pass either way.",
    ),
    (
        "Review this change:\n\n--- a/web/session.ts\n+++ b/web/session.ts\n@@ -12,2 +12,2 @@\n"
        "-  cookie.maxAge = 3600\n+  cookie.maxAge = 3600 * 24 * 365",
        "web/session.ts:12: a session of a year outlives a lost laptop. Keep an hour and renew it while it is used; "
        "ask [REDACTED:EMAIL] who owns the session policy.",
    ),
    (
        "Review this change:\n\n--- a/jobs/retry.go\n+++ b/jobs/retry.go\n@@ -8,1 +8,4 @@\n"
        "+for {\n+    if err := send(msg); err == nil { break }\n+}",
        "jobs/retry.go:8: this loops without a pause while the other side is down. Wait longer after each failure, and "
        "stop after a few.",
    ),
)


def content(admission: dict[str, Any], number: str, settled_at_ms: int) -> dict[str, Any]:
    """Return the command that keeps the words of a call; ``number`` chooses them."""
    asked, answered = random.Random(f"words {number}").choice(_REVIEWS)
    looked = {"type": "tool_call", "id": "call_1", "name": "read_file"}
    path = asked.partition("+++ b/")[2].partition("\n")[0]
    parts = [looked | {"arguments": {"path": path}}, _text(answered)]
    payload = {
        "call_id": admission["call_id"],
        "captured_at_ms": settled_at_ms,
        **{n: admission[n] for n in ("organization_id", "project_id", "virtual_key_id")},
        "mode": "redacted",
        "system_instructions": _json([_text(_SYSTEM)]),
        "input_messages": _json([{"role": "user", "parts": [_text(asked)]}]),
        "output_messages": _json([{"role": "assistant", "parts": parts, "finish_reason": "stop"}]),
    }
    return {"command": "captureContent", "payload": payload}


def _text(words: str) -> dict[str, Any]:
    return {"type": "text", "content": words}


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
