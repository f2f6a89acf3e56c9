"""Reads YAML into entries that remember their line, and collects every mistake instead of stopping at one.

Knows nothing of what a control plane is made of; that is ``cli.apply.shape``.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from core.secrets import Secret

ENV_SUFFIX = "_env"
# The programs refuse unknown variables with these prefixes, so a secret can't be kept in one.
_RESERVED_PREFIXES = ("LANGWATCH_", "LW_", "GATEWAY_")


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """Something wrong in the file; ``line`` counts from 1."""

    line: int
    sentence: str


class Mistakes(Exception):
    """The file can't be applied; holds every mistake that was found, in the order of the lines."""

    def __init__(self, found: Sequence[Mistake]) -> None:
        super().__init__(f"{len(found)} mistakes")
        self.found = sorted(set(found))


class Reading:
    """One pass over one file: the environment it may take secrets from, and what was wrong so far."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.mistakes: list[Mistake] = []
        self.used_variables: set[str] = set()
        """The variables that secrets were taken from; the programs need not see them."""

    def wrong(self, line: int, sentence: str) -> None:
        """Note a mistake."""
        self.mistakes.append(Mistake(line, sentence))

    def root(self, text: str) -> "Entry | None":
        """Return the document's top mapping, or None when there is none to read."""
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self.wrong(mark.line + 1 if mark else 1, f"not valid YAML: {error.problem}")
            return None
        except yaml.YAMLError as error:
            self.wrong(1, f"not valid YAML: {str(error).splitlines()[0]}")
            return None
        if node is None:
            self.wrong(1, "the file is empty")
            return None
        return self.entry(node, "the file")

    def entry(self, node: yaml.Node, what: str) -> "Entry | None":
        """Return a mapping as an entry, or note that it is none."""
        if isinstance(node, yaml.MappingNode):
            return Entry(self, node, what)
        self.wrong(line_of(node), f"{what} must be a mapping such as {{name: …}}")
        return None

    def variable(self, name: str, line: int) -> str | None:
        """Return what an environment variable or the file named by ``NAME_FILE`` holds, or note its absence."""
        if name.startswith(_RESERVED_PREFIXES):
            prefixes = ", ".join(_RESERVED_PREFIXES)
            self.wrong(line, f"{name}: choose a name that does not start with {prefixes}")
            return None
        self.used_variables |= {name, f"{name}_FILE"}
        path = self._environ.get(f"{name}_FILE")
        if self._environ.get(name):
            return self._environ[name]
        if not path:
            self.wrong(line, f"the environment variable {name} is not set")
            return None
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            self.wrong(line, f"{name}_FILE: cannot read {path}: {error.strerror}")
            return None


class Entry:
    """A mapping of the file. Ask for its fields, then call ``finish`` to have the unknown ones reported."""

    def __init__(self, reading: Reading, node: yaml.MappingNode, what: str) -> None:
        self.line = line_of(node)
        self.what = what
        self._reading = reading
        self._known: list[str] = []
        self._fields: dict[str, yaml.Node] = {}
        self._key_lines: dict[str, int] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            if name in self._fields:
                reading.wrong(line_of(key), f"`{name}` is given twice in {what}")
            self._fields[name], self._key_lines[name] = value, line_of(key)

    def wrong(self, name: str, sentence: str) -> None:
        """Note a mistake at the line of a field, or of the entry when the field is absent."""
        self._reading.wrong(self._key_lines.get(name, self.line), sentence)

    def text(self, name: str, default: str | None = None) -> str:
        """Return a scalar as text; without a default its absence is a mistake."""
        node = self._take(name)
        if node is None or _is_null(node):
            if default is None:
                self.wrong(name, f"{self.what} needs `{name}`")
            return default or ""
        if not isinstance(node, yaml.ScalarNode):
            self.wrong(name, f"`{name}` must be a single value")
            return default or ""
        return str(node.value).strip()

    def optional(self, name: str) -> str | None:
        """Return a scalar as text, or None when it is absent."""
        return self.text(name, "") or None

    def choice(self, name: str, allowed: Sequence[str], default: str | None = None) -> str:
        """Return one of the allowed words."""
        value = self.text(name, default)
        if value and value not in allowed:
            near = _nearest(value, allowed)
            self.wrong(name, f"`{name}: {value}` is not one of {', '.join(allowed)}{near}")
        return value

    def switch(self, name: str, default: bool) -> bool:
        """Return true or false."""
        return self.choice(name, ("true", "false"), str(default).lower()) == "true"

    def scope(self, allowed: Sequence[str]) -> tuple[str, str]:
        """Return a scope, and the ``target`` that says where in it: empty for the organization, else needed."""
        scope, target = self.choice("scope", allowed, "organization"), self.text("target", "")
        if scope == "organization":
            return scope, ""
        if not target:
            self.wrong("scope", f"with `scope: {scope}` the field `target` must name the {scope}")
        return scope, target

    def whole(self, name: str, of: str = "") -> int | None:
        """Return a whole number, or None when it is absent."""
        text = self.optional(name)
        if text is None or text.isdecimal():
            return None if text is None else int(text)
        self.wrong(name, f"`{name}: {text}` is not a {of or 'whole number'}")
        return None

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of scalars, empty when absent."""
        node = self._take(name)
        if node is None or _is_null(node):
            return ()
        if not isinstance(node, yaml.SequenceNode) or not all(
            isinstance(item, yaml.ScalarNode) for item in node.value
        ):
            self.wrong(name, f"`{name}` must be a list such as [one, two]")
            return ()
        return tuple(str(item.value) for item in node.value)

    def decimal(self, name: str) -> Decimal | None:
        """Return a decimal number; its absence is a mistake."""
        text = self.text(name)
        try:
            return Decimal(text) if text else None
        except InvalidOperation:
            self.wrong(name, f"`{name}: {text}` is not a number")
            return None

    def moment(self, name: str) -> datetime | None:
        """Return a moment in ISO 8601, in UTC unless it says otherwise; None when it is absent."""
        text = self.optional(name)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.wrong(name, f"`{name}: {text}` is not a moment such as 2026-01-31T08:00:00Z")
            return None
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

    def entries(self, name: str, what: str) -> list["Entry"]:
        """Return a list of mappings, empty when absent."""
        node = self._take(name)
        if node is None or _is_null(node):
            return []
        if not isinstance(node, yaml.SequenceNode):
            self.wrong(name, f"`{name}` must be a list of mappings")
            return []
        found = (self._reading.entry(item, what) for item in node.value)
        return [entry for entry in found if entry is not None]

    def inner(self, name: str, what: str) -> "Entry | None":
        """Return a mapping, or None when it is absent."""
        node = self._take(name)
        return None if node is None or _is_null(node) else self._reading.entry(node, what)

    def free(self, name: str) -> dict[str, Any]:
        """Return a mapping of any shape as plain values, empty when absent."""
        node = self._take(name)
        if node is None or _is_null(node):
            return {}
        if not isinstance(node, yaml.MappingNode):
            self.wrong(name, f"`{name}` must be a mapping such as {{key: value}}")
            return {}
        return dict(self._plain(node))

    def texts_by_name(self, name: str) -> dict[str, str]:
        """Return a mapping of names to texts, in which ``X_env`` becomes ``X`` from the environment."""
        inner = self.inner(name, f"`{name}`")
        found = {} if inner is None else {n: inner.any(n) for n in inner.names()}
        if not all(isinstance(value, str) for value in found.values()):
            self.wrong(name, f"`{name}` must be a mapping of texts such as {{one: text}}")
            return {}
        return {field.removesuffix(ENV_SUFFIX): value for field, value in found.items()}

    def free_list(self, name: str) -> list[dict[str, Any]]:
        """Return a list of mappings of any shape, in which ``X_env`` becomes ``X`` from the environment."""
        entries = self.entries(name, f"an entry of `{name}`")
        return [
            {field.removesuffix(ENV_SUFFIX): entry.any(field) for field in entry.names()}
            for entry in entries
        ]

    def names(self) -> list[str]:
        """Return the names of all fields."""
        return list(self._fields)

    def any(self, name: str) -> Any:
        """Return a field of any shape; of ``X_env`` what the variable holds."""
        node = self._fields[name]
        if name.endswith(ENV_SUFFIX) and isinstance(node, yaml.ScalarNode):
            return self._reading.variable(str(node.value), line_of(node)) or ""
        return self._plain(node)

    def secret(self, name: str) -> Secret | None:
        """Return the secret that the environment variable named by ``<name>_env`` holds, or None."""
        field = name + ENV_SUFFIX
        if name in self._fields:
            self._known.append(name)
            self.wrong(name, f"a secret does not belong in the file: use `{field}: SOME_VARIABLE`")
        variable = self.optional(field)
        if variable is None:
            return None
        value = self._reading.variable(variable, self._key_lines[field])
        return Secret(value) if value else None

    def finish(self) -> None:
        """Report the fields that nobody asked for."""
        for name in self._fields.keys() - set(self._known):
            near = _nearest(name, self._known)
            self.wrong(name, f"{self.what} has no field `{name}`{near}")

    def _take(self, name: str) -> yaml.Node | None:
        self._known.append(name)
        return self._fields.get(name)

    def _plain(self, node: yaml.Node) -> Any:
        try:
            return yaml.SafeLoader("").construct_object(node, deep=True)
        except yaml.YAMLError as error:
            self._reading.wrong(line_of(node), str(getattr(error, "problem", error)))
            return {}


def line_of(node: yaml.Node) -> int:
    """Return the line a node starts on, from 1."""
    return int(node.start_mark.line) + 1


def _is_null(node: yaml.Node) -> bool:
    return node.tag == "tag:yaml.org,2002:null"


def _nearest(given: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(given, known, 1)
    return f"; did you mean `{near[0]}`?" if near else ""
