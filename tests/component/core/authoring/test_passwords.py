"""Passwords and the lock-out after repeated failures, on both databases."""

from datetime import timedelta

import pytest

from core.authoring.passwords import authenticate
from core.clock import utcnow
from core.secrets import Secret
from tests.component.core.authoring.acme import acme
from tests.many_apps import REAL_HASHER

pytestmark = pytest.mark.usefixtures("db")
PASSWORD = Secret("correct horse battery")


def test_ten_failures_lock_an_account_for_a_quarter_of_an_hour() -> None:
    acme(password=PASSWORD)
    now = utcnow()
    for _ in range(10):
        assert authenticate("ada@acme.test", Secret("wrong"), now) is None
    assert authenticate("ada@acme.test", PASSWORD, now) is None
    assert authenticate("ada@acme.test", PASSWORD, now + timedelta(minutes=14)) is None
    assert authenticate("ada@acme.test", PASSWORD, now + timedelta(minutes=16)) is not None


def test_a_success_forgets_earlier_failures() -> None:
    acme(password=PASSWORD)
    now = utcnow()
    for _ in range(2):
        for _ in range(9):
            assert authenticate("ada@acme.test", Secret("wrong"), now) is None
        assert authenticate("ada@acme.test", PASSWORD, now) is not None


def test_a_guess_costs_what_it_should_outside_of_tests() -> None:
    """At least twice the least that OWASP asks for argon2id: 19 MiB and two passes."""
    assert REAL_HASHER.memory_cost >= 38 * 1024
    assert REAL_HASHER.time_cost >= 2
    assert REAL_HASHER.type.name == "ID"
