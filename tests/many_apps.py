"""What makes a web app cheap enough to have a thousand of in one run, for every test that has one.

Every app of the product is the same but for its settings: its templates are compiled once a run, and of its
four hundred routes only those that a test asks the address of get a builder. Passwords are hashed with the least
work; what the product spends on them is ``REAL_HASHER``.
"""

import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.routing import Rule

from core.authoring import passwords

REAL_HASHER: PasswordHasher = passwords._HASHER


class _Compiled(BytecodeCache):
    """Templates compiled in this process, by the hash of their name and source."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], types.CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self._codes[bucket.key, bucket.checksum] = bucket.code


_compile_builder = Rule._compile_builder


def _when_first_used(rule: Rule, append_unknown: bool = True) -> Callable[..., Any]:
    made: list[Callable[..., Any]] = []

    def build(*arguments: Any, **values: Any) -> Any:
        if not made:
            made.append(_compile_builder(rule, append_unknown))
        return made[0](*arguments, **values)

    return build


@pytest.fixture(scope="session", autouse=True)
def cheap_apps() -> Iterator[None]:
    """Change the libraries under the apps of this process."""
    with pytest.MonkeyPatch.context() as patch:
        options = Flask.jinja_options | {"bytecode_cache": _Compiled()}
        patch.setattr(Flask, "jinja_options", options)
        patch.setattr(Rule, "_compile_builder", _when_first_used)
        patch.setattr(passwords, "_HASHER", PasswordHasher(1, 8, 1))
        yield
