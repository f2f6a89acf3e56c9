"""A request as the fake provider received it, and what is asked in it. Answers nothing."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

_ACTION = re.compile(r"/(?P<version>v1|v1beta)/models/(?P<model>.+):(?P<action>\w+)")
_FORM_MODEL = re.compile(rb'name="?model"?\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]*)\r\n')


@dataclass(slots=True)
class Request:
    """A request as received; `raw_headers` keep the case and order of the wire."""

    method: str
    target: str
    raw_headers: list[tuple[bytes, bytes]]
    body: bytes
    headers: dict[bytes, bytes] = field(default_factory=dict)
    json: Any = None

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters."""
        return dict(parse_qsl(self.target.partition("?")[2]))

    @property
    def action(self) -> str:
        """What Gemini's path asks for, such as `generateContent`; empty on other paths."""
        found = _ACTION.fullmatch(self.path)
        return found["action"] if found else ""

    @property
    def model(self) -> str:
        """The model that is named in the body, the path or the form, with a script in it."""
        found = _ACTION.fullmatch(self.path)
        if found:
            return unquote(found["model"])
        if isinstance(self.json, dict):
            return str(self.json.get("model", ""))
        named = _FORM_MODEL.search(self.body)
        return named[1].decode("utf-8", "replace") if named else ""

    @property
    def streams(self) -> bool:
        """Whether a stream is asked for."""
        if self.action:
            return self.action == "streamGenerateContent"
        if not isinstance(self.json, dict):
            return b'name="stream"\r\n\r\ntrue' in self.body
        return self.json.get("stream") is True or self.json.get("stream_format") == "sse"
