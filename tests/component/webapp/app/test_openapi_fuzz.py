"""Every route of the management API against its own document: made-up requests, no crash, documented answers."""

from __future__ import annotations

from pathlib import Path

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from core.authoring import api_keys
from core.models import User
from tests.component.core.authoring.acme import NOW
from tests.component.webapp.app.site import site
from webapp.api.tables import described
from webapp.rate import FixedWindow

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
# Not among them: that whatever fits the schema is accepted, since values are judged beyond their form.
EXAMPLES = 3
"""For each operation."""
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, methods in described()["paths"].items()
    for method in methods
]


@pytest.fixture
def plane(sqlite_db: str, tmp_path: Path) -> tuple[Flask, str]:
    """The web app, without a limit on calls, and an API key of its administrator."""
    made = site(tmp_path)
    state = made.app.extensions["control_plane"]
    object.__setattr__(state, "api_calls", FixedWindow(10**9, 60))
    ada = User.get(User.email == "ada@acme.test")
    new = api_keys.NewApiKey("fuzz", "user", ada.id)
    _, secret = api_keys.create(made.org.actor, new, state.settings.pepper, NOW)
    return made.app, secret.reveal()


def test_made_up_requests_get_documented_answers(plane: tuple[Flask, str]) -> None:
    app, key = plane
    document = schemathesis.openapi.from_wsgi("/api/openapi.json", app)
    # One site for all operations: what one of them leaves behind is what the next one meets.
    for name in OPERATIONS:
        method, _, path = name.partition(" ")
        run_on(document[path][method], key)


def run_on(operation: APIOperation, key: str) -> None:
    """Send made-up requests to one operation and judge each answer."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def run(case: schemathesis.Case) -> None:
        answer = case.call(headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code < 500, answer.text
        case.validate_response(answer, checks=CHECKS)

    run()
