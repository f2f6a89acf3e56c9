"""Structured log lines on standard error: JSON, or ``key=value`` text for a terminal. Redacts secrets by form."""

import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

_RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
# The forms of our own secrets and of the providers' keys; a match is cut to its fixed prefix.
_SECRET = re.compile(
    r"(lw_vk_(?:live|test)_|vk-lw-(?:live_|test_)?|lw_is_|lw_at_|lw_rt_|sk-ant-|sk-proj-|sk-|AIza)[A-Za-z0-9_\-]{12,}"
    r"|(?<=Bearer )[A-Za-z0-9._\-]{16,}"
)


def redact(text: str) -> str:
    """Return the text with everything that looks like a key cut down to its prefix."""
    return _SECRET.sub(lambda m: f"{m.group(1) or ''}[redacted]", text)


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    return {k: v for k, v in vars(record).items() if k not in _RESERVED and not k.startswith("_")}


class _Formatter(logging.Formatter):
    def __init__(self, program: str, is_json: bool) -> None:
        super().__init__()
        self._program = program
        self._is_json = is_json

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": moment, "level": record.levelname, "program": self._program}
        line |= {"msg": record.getMessage()} | _facts(record)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if self._is_json:
            return redact(orjson.dumps(line, default=str).decode())
        facts = " ".join(f'{k}="{v}"' for k, v in _facts(record).items())
        tail = f"\n{line['exception']}" if "exception" in line else ""
        return redact(
            f'{record.levelname} {self._program} msg="{record.getMessage()}" {facts}'.rstrip()
            + tail
        )


def configure(program: str, level: str = "info", form: str = "text") -> None:
    """Send all log lines of this process to standard error; ``form`` is ``text`` or ``json``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(program, form == "json"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("httpx", "httpcore", "peewee", "apscheduler", "hypercorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
