"""Applies what privacy rules say to texts and JSON values, before they are stored or read. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import orjson

from rules.globs import Globs
from rules.guardrails.matches import Match, merged, redacted
from rules.guardrails.personal_data import ALL_KINDS, find_personal_data
from rules.guardrails.secret_patterns import find_secrets
from rules.patterns import compiled, searchable
from rules.privacy import KEEP, MODES, NOTHING_DROPPED, PLACEHOLDER, REDACT, STRIP_ALL, Privacy

_DEEPEST = 32
_SHORTEST = 6
"""No credential and nothing personal that is looked for has fewer characters."""
_SECRET_NAMES = Globs(
    (
        *(
            "*authorization",
            "*cookie",
            "*password",
            "*passwd",
            "*passphrase",
            "*api?key",
            "*apikey",
        ),
        *("*secret", "*secret?key", "*secretkey", "*private?key", "*privatekey", "*access?token"),
        *("*accesstoken", "*refresh?token", "*refreshtoken", "*session?token", "*sessiontoken"),
        *("*credential", "*credentials", "id?token", "*.id?token"),
    )
)
"""Names, in lower case, under which a credential stands, whatever it looks like."""
_NAME_CHARACTERS = 128
_Find = Callable[[str], Iterable[Match]]


class Cleaner:
    """Applies one place's privacy to texts and values. Made once, used for many; raises BadPattern when made."""

    __slots__ = (
        "_finders",
        "_has_keys",
        "_keys",
        "_patterns",
        "drops",
        "drops_all",
        "hides_secrets",
        "is_idle",
        "keeps_personal_data",
    )

    def __init__(self, privacy: Privacy, redacts_secrets: bool = False) -> None:
        """``redacts_secrets`` says what becomes of credentials where no rule says anything of them."""
        self.drops = privacy.drops
        self.drops_all = privacy.drops >= MODES[STRIP_ALL]
        """Nothing is kept but what is known to be metadata."""
        self.hides_secrets = privacy.secrets == REDACT or (redacts_secrets and not privacy.secrets)
        self.keeps_personal_data = privacy.personal_data == KEEP
        """A rule says so, for a capture that would redact it by itself."""
        self._keys = Globs(privacy.drop_keys)
        self._has_keys = bool(privacy.drop_keys)
        self._patterns = [compiled(pattern) for pattern in privacy.secret_patterns]
        self._finders: list[_Find] = [find_secrets] if self.hides_secrets else []
        if privacy.personal_data == REDACT:
            self._finders.append(_personal_data)
        self.is_idle = not (self.drops or privacy.drop_keys or self._patterns or self._finders)
        """There is nothing to do."""

    def drops_key(self, name: str) -> bool:
        """Say whether whatever stands under a name is dropped."""
        return self._has_keys and self._keys.match(name)

    def is_credential(self, name: str, value: Any) -> bool:
        """Say whether a text is to be redacted for the name that it stands under."""
        if not self.hides_secrets or not isinstance(value, str) or len(name) > _NAME_CHARACTERS:
            return False
        return _is_secret_name(name)

    def name(self, text: str) -> str:
        """Return a name, or a value that says who or what it was, without what the custom patterns find."""
        if not self._patterns:
            return text
        found = searchable(text)
        for pattern in self._patterns:
            found = pattern.sub(PLACEHOLDER, found)
        return found

    def text(self, text: str) -> str:
        """Return a text without what the custom patterns find, credentials and personal data as rules say."""
        found = self.name(text)
        if len(found) >= _SHORTEST and self._finders:
            matches = merged([each for find in self._finders for each in find(found)])
            found = redacted(found, matches) if matches else found
        return found

    def value(self, value: Any, depth: int = 0) -> Any:
        """Return a JSON value without dropped fields and without what is redacted in texts."""
        if isinstance(value, str):
            return self.text(value)
        if depth > _DEEPEST:
            return PLACEHOLDER
        if isinstance(value, Mapping):
            return {
                self.text(str(name)): PLACEHOLDER
                if self.drops_key(str(name)) or self.is_credential(str(name), each)
                else self.value(each, depth + 1)
                for name, each in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(each, depth + 1) for each in value]
        return value

    def json_text(self, text: str) -> str:
        """Return a text, cleaned as the JSON object or list that it is, or else as words."""
        if text[:1] in ("{", "["):
            try:
                value = orjson.loads(text)
            except orjson.JSONDecodeError:
                return self.text(text)
            cleaned = self.value(value)
            # A number may be longer than what it is read as: what loses nothing stays as it was written.
            return text if cleaned == value else orjson.dumps(cleaned).decode()
        return self.text(text)


IDLE = Cleaner(NOTHING_DROPPED)


@lru_cache(maxsize=4096)
def _is_secret_name(name: str) -> bool:
    return _SECRET_NAMES.match(name.lower())


def _personal_data(text: str) -> Iterable[Match]:
    return find_personal_data(text, ALL_KINDS)
