"""Finds what a policy judges in a request body: tools, MCP servers, addresses, and models beside the one that
is asked for. Judges none of them.

Every place of every dialect is looked into, whatever the path of the request: a provider behind a custom
address may read fields of a dialect that it is not asked in. Results of tools and earlier calls of them
are not tools.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec
import re2

from rules.policy_urls import addresses

TOOLS, MCP, URLS, MODELS = "tools", "mcp", "urls", "models"
DIMENSIONS = (TOOLS, MCP, URLS, MODELS)
STORED_PROMPT, CACHED_CONTENT = "stored_prompt", "cached_content"
"""What tools are called that stand in a prompt or a context kept by the provider, where nobody here sees them."""
_MAX_NESTING = 8


class Subject(NamedTuple):
    """One thing that a rule judges, in each of its spellings, and where it stands in the body."""

    spellings: tuple[str, ...]
    param: str


class Unjudgeable(ValueError):
    """A body in which readers would find different tools; the text says why."""


class _Places(msgspec.Struct, gc=False):
    """The outermost members that may hold tools or servers; all others pass unread."""

    tools: msgspec.Raw = msgspec.Raw()
    functions: msgspec.Raw = msgspec.Raw()
    mcp_servers: msgspec.Raw = msgspec.Raw()
    mcp: msgspec.Raw = msgspec.Raw()
    mcps: msgspec.Raw = msgspec.Raw()
    input: msgspec.Raw = msgspec.Raw()
    web_search_options: msgspec.Raw = msgspec.Raw()
    plugins: msgspec.Raw = msgspec.Raw()
    search_parameters: msgspec.Raw = msgspec.Raw()
    prompt: msgspec.Raw = msgspec.Raw()
    cachedContent: msgspec.Raw = msgspec.Raw()  # noqa: N815 - Gemini's name for it
    cached_content: msgspec.Raw = msgspec.Raw()
    extra_body: msgspec.Raw = msgspec.Raw()
    generateContentRequest: msgspec.Raw = msgspec.Raw()  # noqa: N815 - Gemini's name for it
    generate_content_request: msgspec.Raw = msgspec.Raw()


_places = msgspec.json.Decoder(_Places)
_PLACES = tuple(_Places.__struct_fields__)
_NAMES = frozenset(
    {
        *("name", "type", "function", "functions", "tools", "namespace"),
        *("functionDeclarations", "function_declarations", "server_label", "server_url"),
        *("connector_id", "mcp_server_name", "url", "id", "allowed_tools", "configs", "model"),
        *("custom", "server_name", "tool_configuration", "tool_names"),
    }
)
_FOLDED = {name.casefold(): name for name in _NAMES}
_DECLARATIONS = ("functionDeclarations", "function_declarations")
_MCP_NAMES = ("server_label", "server_url", "connector_id", "mcp_server_name", "server_name")
_PLAIN_TYPES = frozenset({"function", "custom", "namespace", "mcp", "mcp_toolset"})
_ESCAPED_LETTER = re.compile(rb"\\u00[4-7][0-9a-fA-F]")
_SPELLED = r"\\u(?:00[4-7][0-9a-fA-F]|017[fF]|212[aA])"
"""A letter that is written as an escape; the last two are read as ``s`` and ``k`` by who does not care for case."""
_NAMED = re2.compile(r'(?i)"(?:' + "|".join(_PLACES) + r')"|' + _SPELLED)
_AS_READ = frozenset(f'"{name}"'.encode() for name in _PLACES)
_CAMEL = re.compile(r"(?<=[a-z0-9])([A-Z])")
_VERSION = re.compile(r"_(\d{8}|\d{4}_\d{2}_\d{2})$")


def tools_and_servers(body: bytes) -> tuple[list[Subject], list[Subject]]:
    """Return the tools and the MCP servers that a request offers to the model.

    Raises Unjudgeable when the body is not the JSON object it should be, or names one of these twice.
    """
    with _readable("tools"):
        if _may_hide(body):
            _refuse_twice(body, _PLACES)
        places = _places.decode(body)
        found = _Found()
        for name in ("tools", "functions"):
            found.offer(_plain(getattr(places, name)), name, name == "functions", 0)
        for name in ("mcp_servers", "mcp", "mcps"):
            found.servers(_plain(getattr(places, name)), name)
        found.items(_items(bytes(places.input)))
        found.added(places)
        found.unseen(places)
        for name in ("generateContentRequest", "generate_content_request"):
            if inner := bytes(getattr(places, name)):
                tools, servers = tools_and_servers(inner)
                found.tools += tools
                found.mcp += servers
    return found.tools, found.mcp


@contextmanager
def _readable(what: str) -> Iterator[None]:
    """Turn what is wrong with a body's JSON into Unjudgeable."""
    try:
        yield
    except Unjudgeable:
        raise
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise Unjudgeable(f"The {what} of the request can't be read.") from None


def _may_hide(body: bytes) -> bool:
    seen = set()
    for match in _NAMED.finditer(body):
        name = match.group()
        if name in seen or name not in _AS_READ:
            return True
        seen.add(name)
    return False


def _refuse_twice(body: bytes, places: tuple[str, ...]) -> None:
    # Only the outermost object is judged here; what stands in the places is judged when it is read.
    outermost: list[tuple[str, Any]] = json.loads(body, object_pairs_hook=_kept_pairs)
    names = [name for name, _ in outermost] if isinstance(outermost, list) else []
    folded = [name.casefold() for name in names]
    for name in places:
        if names.count(name) > 1:
            raise Unjudgeable(f"The request names `{name}` twice.")
        if folded.count(name.casefold()) > names.count(name):
            # Some servers take a name in any case, others in this one only.
            raise Unjudgeable(f"The request spells `{name}` in another way.")


def _kept_pairs(pairs: list[tuple[str, Any]]) -> Any:
    return pairs


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen = set()
        for name, _ in pairs:
            if name in seen and name in _NAMES:
                raise Unjudgeable(f"A tool of the request has `{name}` twice.")
            seen.add(name)
    return found


def _plain(raw: msgspec.Raw) -> Any:
    text = bytes(raw)
    return json.loads(text, object_pairs_hook=_once) if text else None


def _items(raw: bytes) -> Any:
    """Return the list ``input`` when it may hold more than messages."""
    is_plain = (
        raw[:1] != b"["
        or (b"additional_tools" not in raw and b"namespace" not in raw and b'"tools"' not in raw)
    ) and _ESCAPED_LETTER.search(raw) is None
    return None if is_plain else json.loads(raw, object_pairs_hook=_once)


def _refuse_spellings(tool: dict[str, Any]) -> None:
    for name in tool:
        if name not in _NAMES and _FOLDED.get(name.casefold()) is not None:
            raise Unjudgeable(f"A tool of the request spells `{name}` in another way.")


class _Found:
    """Collects what is offered."""

    def __init__(self) -> None:
        self.tools: list[Subject] = []
        self.mcp: list[Subject] = []

    def offer(self, tools: Any, place: str, is_function: bool, depth: int) -> None:
        """Take in a list of tools; an object instead of a list is taken for its only element."""
        if depth > _MAX_NESTING:
            raise Unjudgeable("The tools of the request are nested too deeply.")
        if isinstance(tools, dict):
            tools = [tools]
        if not isinstance(tools, list):
            return
        for number, tool in enumerate(tools):
            at = f"{place}[{number}]"
            if isinstance(tool, str):
                self.tool(at, tool)
            elif isinstance(tool, dict):
                self._one(tool, at, is_function, depth)

    def _one(self, tool: dict[str, Any], at: str, is_function: bool, depth: int) -> None:
        before = len(self.tools) + len(self.mcp)
        _refuse_spellings(tool)
        self.tool(f"{at}.name", tool.get("name"))
        for name in ("function", "custom"):
            inner = tool.get(name)
            if isinstance(inner, dict):
                _refuse_spellings(inner)
                self.tool(f"{at}.{name}.name", inner.get("name"))
        for name in _DECLARATIONS:
            self.offer(tool.get(name), f"{at}.{name}", True, depth + 1)
        self.offer(tool.get("tools"), f"{at}.tools", False, depth + 1)
        self._server(tool, at)
        if is_function:
            return
        kind = tool.get("type")
        if isinstance(kind, str) and kind not in _PLAIN_TYPES:
            # A tool of the provider's own, whatever it is called. Its type carries a date in some dialects.
            self.tool(f"{at}.type", kind, _VERSION.sub("", kind))
        elif kind is None and len(self.tools) + len(self.mcp) == before:
            # Gemini names its own tools by the member they stand in.
            for name in tool:
                if name not in _DECLARATIONS:
                    self.tool(f"{at}.{name}", name, _CAMEL.sub(r"_\1", name).lower())

    def _server(self, tool: dict[str, Any], at: str) -> None:
        is_server = False
        for name in _MCP_NAMES:
            value = tool.get(name)
            if isinstance(value, str):
                is_server = True
                self._named_server(value, f"{at}.{name}")
        if not is_server:
            return
        self._allowed(tool.get("allowed_tools"), f"{at}.allowed_tools")
        configs = tool.get("configs")
        if isinstance(configs, dict):
            self._allowed(list(configs), f"{at}.configs")

    def _allowed(self, names: Any, at: str) -> None:
        if isinstance(names, dict):
            names = names.get("tool_names")
        if isinstance(names, list):
            for name in names:
                self.tool(at, name)

    def servers(self, servers: Any, place: str) -> None:
        """Take in a list of MCP servers, or a mapping of them by name."""
        if isinstance(servers, dict):
            servers = [
                {"name": name, **value} if isinstance(value, dict) else name
                for name, value in servers.items()
            ]
        if not isinstance(servers, list):
            return
        for number, server in enumerate(servers):
            at = f"{place}[{number}]"
            if isinstance(server, str):
                self._named_server(server, at)
            elif isinstance(server, dict):
                self._listed_server(server, at)

    def _listed_server(self, server: dict[str, Any], at: str) -> None:
        _refuse_spellings(server)
        for name in ("name", "id", "url", "server_label", "server_url"):
            if isinstance(server.get(name), str):
                self._named_server(server[name], f"{at}.{name}")
        allowed = server.get("tool_configuration")
        if isinstance(allowed, dict):
            self._allowed(allowed.get("allowed_tools"), f"{at}.tool_configuration")

    def items(self, items: Any) -> None:
        """Take in the items of ``input`` that offer tools; calls and results are not offers."""
        if not isinstance(items, list):
            return
        for number, item in enumerate(items):
            if isinstance(item, dict) and (
                item.get("type") in ("additional_tools", "namespace")
                or isinstance(item.get("tools"), list)
            ):
                at = f"input[{number}]"
                if item.get("type") == "namespace":
                    self.tool(f"{at}.name", item.get("name"))
                self.offer(item.get("tools"), f"{at}.tools", False, 1)

    def added(self, places: _Places) -> None:
        """Take in what some vendors let a request switch on beside its tools."""
        if bytes(places.web_search_options) not in (b"", b"null"):
            self.tool("web_search_options", "web_search")
        searching = _plain(places.search_parameters)
        if isinstance(searching, dict) and searching.get("mode") != "off":
            self.tool("search_parameters", "web_search", "search_parameters")
        plugins = _plain(places.plugins)
        for number, plugin in enumerate(plugins if isinstance(plugins, list) else ()):
            if isinstance(plugin, dict):
                self.tool(f"plugins[{number}].id", plugin.get("id"))

    def unseen(self, places: _Places) -> None:
        """Take in what the provider keeps and may add tools from, by a name that rules can tell it by."""
        if bytes(places.prompt)[:1] == b"{":
            self.tool("prompt", STORED_PROMPT)
            self._named_server(STORED_PROMPT, "prompt")
        for name in ("cachedContent", "cached_content"):
            if bytes(getattr(places, name)) not in (b"", b"null"):
                self.tool(name, CACHED_CONTENT)
        extra = bytes(places.extra_body)
        if b"cached" in extra or _ESCAPED_LETTER.search(extra):
            self.tool("extra_body", CACHED_CONTENT)

    def tool(self, param: str, *spellings: Any) -> None:
        """Take in a tool; what is not a name is none."""
        names = tuple(dict.fromkeys(name for name in spellings if name and isinstance(name, str)))
        if names:
            self.tools.append(Subject(names, param))

    def _named_server(self, name: str, param: str) -> None:
        self.mcp.append(Subject((name,), param))


class _Models(msgspec.Struct, gc=False):
    models: msgspec.Raw = msgspec.Raw()
    fallbacks: msgspec.Raw = msgspec.Raw()
    tools: msgspec.Raw = msgspec.Raw()


_models = msgspec.json.Decoder(_Models)
_LISTS = tuple(_Models.__struct_fields__)
_MODEL = b'"model"'
_NAMES_MODELS = re2.compile(r'(?i)"(?:models?|fallbacks)"[ \t\r\n]*:|' + _SPELLED)


def other_models(body: bytes) -> list[Subject]:
    """Return the models beside the one asked for: those that the provider may fall back to by itself, and those
    that its tools run on; bare and with their vendor.

    Raises Unjudgeable when the body is not the JSON object it should be, or names one of these twice.
    """
    names = [match.group() for match in _NAMES_MODELS.finditer(body)]
    if not names or (len(names) == 1 and names[0].startswith(_MODEL)):
        return []
    found: list[Subject] = []
    with _readable("models"):
        _refuse_twice(body, ("model", *_LISTS))
        told = _models.decode(body)
        for place in _LISTS:
            named = _plain(getattr(told, place))
            for number, name in enumerate(named if isinstance(named, list) else ()):
                at = f"{place}[{number}]"
                if isinstance(name, dict):
                    name, at = name.get("model"), f"{at}.model"
                elif place == "tools":
                    continue
                if isinstance(name, str) and name:
                    found.append(Subject(tuple(dict.fromkeys((name, name.rpartition("/")[2]))), at))
    return found


def urls(body: bytes) -> list[Subject]:
    """Return every http and https address in a body, and what is fetched for it where it is written otherwise."""
    return [Subject((text,), "") for text in addresses(body)]
