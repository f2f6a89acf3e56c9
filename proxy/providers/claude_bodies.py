"""Claude's requests as Amazon and Google take them: where the model and the version stand, and which betas pass.

Bodies are spliced, never written anew. A beta that a cloud does not know would fail the whole request there,
so those are left out together with the members that belong to them; all others pass.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from proxy.providers.provider import Headers
from proxy.splice import Member, members

BEDROCK_VERSION = "bedrock-2023-05-31"
VERTEX_VERSION = "vertex-2023-10-16"
_FIRST_VERSIONS = frozenset({b"", b"2023-01-01", b"2023-06-01"})
"""Versions of Anthropic's API that the clouds call by names of their own; later ones they call alike."""
VERSION = b"anthropic-version"
BETA = b"anthropic-beta"
_OWN_HEADERS = frozenset({BETA, VERSION})
_DATE = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")
_MAX_BETAS = 64


class Fate(NamedTuple):
    """What becomes of a family of betas: its name at each cloud, empty where it is unknown there."""

    bedrock: str = ""
    vertex: str = ""
    members: tuple[str, ...] = ()
    """The members of a body that are refused without the beta."""


_TOOL_SEARCH = "tool-search-tool-2025-10-19"
BETAS: dict[str, Fate] = {
    "advanced-tool-use": Fate(_TOOL_SEARCH, _TOOL_SEARCH),
    "advisor-tool": Fate(),
    "claude-code": Fate(),
    "code-execution": Fate(members=("container",)),
    "fast-mode": Fate(members=("speed",)),
    "files-api": Fate(),
    "mcp-client": Fate(members=("mcp_servers",)),
    "mcp-servers": Fate(members=("mcp_servers",)),
    "oauth": Fate(),
    "prompt-caching-scope": Fate(),
    "skills": Fate(members=("container",)),
    "web-fetch": Fate(),
    "web-search": Fate(vertex="web-search-2025-03-05"),
}
"""By the name without its date; a family that is not here passes under its own name."""


class Betas(NamedTuple):
    """The betas that a request keeps, and the members that it loses with the others."""

    names: tuple[str, ...]
    lost_members: frozenset[str]


def betas_of(headers: Headers, is_bedrock: bool) -> Betas:
    """Return what becomes of the betas that a caller asks for."""
    given = b",".join([value for name, value in headers if name == BETA])
    if not given:
        return _NO_BETAS
    kept: dict[str, None] = {}
    lost: set[str] = set()
    for text in given.decode("latin-1").split(",")[:_MAX_BETAS]:
        name = text.strip()
        fate = BETAS.get(_DATE.sub("", name))
        told = name if fate is None else fate.bedrock if is_bedrock else fate.vertex
        if told:
            kept[told] = None
        elif fate is not None:
            lost.update(fate.members)
    return Betas(tuple(kept), frozenset(lost))


_NO_BETAS = Betas((), frozenset())


def without_own_headers(headers: Headers) -> Headers:
    """Return a caller's headers without those that only Anthropic itself reads."""
    return [header for header in headers if header[0] not in _OWN_HEADERS]


def vertex_headers(headers: Headers) -> Headers:
    """Return a caller's headers as Vertex takes them: the betas it knows, and no version."""
    names = betas_of(headers, is_bedrock=False).names
    kept = without_own_headers(headers)
    return [*kept, (BETA, ",".join(names).encode("latin-1"))] if names else kept


def bedrock_body(body: bytes, headers: Headers) -> bytes:
    """Return a request's body for ``invoke``: version and betas in it, model and stream in the address."""
    betas = betas_of(headers, is_bedrock=True)
    dropped = {"model", "stream", "anthropic_version"} | betas.lost_members
    added = _version(headers, BEDROCK_VERSION)
    if betas.names:
        dropped.add("anthropic_beta")
        added += b',"anthropic_beta":' + msgspec.json.encode(betas.names)
    return respelled(body, dropped, added)


def vertex_body(body: bytes, headers: Headers, keeps_model: bool) -> bytes:
    """Return a request's body for ``rawPredict``: the version in it, the model in the address."""
    lost = betas_of(headers, is_bedrock=False).lost_members | {"anthropic_version"}
    added = _version(headers, VERTEX_VERSION)
    return respelled(body, lost if keeps_model else lost | {"model"}, added)


def _version(headers: Headers, first: str) -> bytes:
    """Return the member that names the version, as the caller's header has it."""
    given = next((value.strip() for name, value in headers if name == VERSION), b"")
    version = first if given in _FIRST_VERSIONS else given.decode("latin-1")
    return b'"anthropic_version":' + msgspec.json.encode(version)


def has_member(body: bytes, name: str) -> bool:
    """Say whether a JSON object has an outermost member."""
    return any(member.name == name for member in members(body))


def respelled(body: bytes, dropped: Iterable[str], added: bytes) -> bytes:
    """Return a JSON object without some of its outermost members and with others in front of the rest."""
    names = frozenset(dropped)
    found = list(members(body))
    pieces: list[bytes] = []
    # What stands between two members (comma, blanks) goes with the one before it.
    ends = [member.name_start for member in found[1:]]
    kept = [place for place, member in enumerate(found) if member.name not in names]
    for place in kept:
        is_last = place == kept[-1]
        end = found[place].value_end if is_last else ends[place]
        pieces.append(body[found[place].name_start : end])
    tail = body[found[-1].value_end :] if found else body[body.rindex(b"}") :]
    head = body[: _first(found, body)]
    return b"".join((head, added, b"," if pieces else b"", *pieces, tail))


def _first(found: list[Member], body: bytes) -> int:
    return found[0].name_start if found else body.index(b"{") + 1
