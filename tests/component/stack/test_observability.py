"""What is seen of calls on the whole stack: spans at endpoints, content as the key says, counts of all workers."""

import signal
from pathlib import Path
from typing import Any

import httpx

from core.authoring import trace_destinations, virtual_keys
from core.authoring.actor import Actor
from core.authoring.trace_destinations import NewTraceDestination
from core.authoring.virtual_keys import NewVirtualKey
from core.clock import utcnow
from core.models import IngestionSource, Project, VirtualKey
from core.secret_files import with_control_plane_secrets
from core.secrets import sealer_for
from tests.component.stack.traffic import chat
from tests.component.streamer.otlp_peer import OtlpPeer, facts, otlp_peer
from tests.provider.handle import FakeProvider
from tests.stack import Stack, StackOptions, running, wait_until
from tests.stack_config import CI_KEY, DEV_KEY, SOURCE_SECRET

CANARY = "canary-in-the-prompt-1618033988"
SECRET = "sk-ant-api03-" + "Ab3" * 20
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def arrange(stack: Stack, peer: OtlpPeer) -> None:
    """Send the project's spans to the peer and to our own receiver, and keep what the person's key is told."""
    now = utcnow()
    sealer = sealer_for(with_control_plane_secrets(stack.settings()).master_key)
    with stack.database():
        project = Project.get(Project.slug == "coding")
        actor = Actor(project.organization_id, "test", "cli")
        source_id = IngestionSource.get(IngestionSource.name == "agents").id
        own = f"{stack.web}/api/ingest/otel/{source_id}/v1/traces"
        bearer = {"Authorization": f"Bearer {SOURCE_SECRET}"}
        for name, url, headers in (
            ("theirs", peer.url, {"X-Tenant": "acme"}),
            ("own", own, bearer),
        ):
            new = NewTraceDestination(
                name, "project", project.id, url, headers, is_operator_address=True
            )
            trace_destinations.create(actor, new, sealer, now)
        key = VirtualKey.get(VirtualKey.name == "dev-cli")
        wanted = NewVirtualKey(
            key.name,
            key.project_id,
            tuple(key.provider_ids),
            key.principal_user_id,
            config={**key.config, "capture": "redacted"},
        )
        virtual_keys.update(actor, key.id, wanted, now)


def call(stack: Stack, key: str, text: str, **more: Any) -> httpx.Response:
    body = chat(**more)
    body["messages"][0]["content"] = text
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    with stack.client(key) as client:
        return client.post("/v1/chat/completions", json=body, headers=headers)


def span_of(peer: OtlpPeer, request_id: str) -> dict[str, Any]:
    found = [facts(span) for span in peer.spans]
    return next((f for f in found if f["langwatch.gateway_request_id"] == request_id), {})


def counted(stack: Stack, name: str) -> float:
    lines = httpx.get(f"{stack.gateway}/metrics", trust_env=False).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def test_calls_are_seen_where_they_should_be_and_only_there(
    tmp_path: Path, provider: FakeProvider
) -> None:
    with otlp_peer() as peer, running(tmp_path, provider, StackOptions(workers=2)) as stack:
        arrange(stack, peer)

        def captured() -> dict[str, Any]:
            answer = call(stack, DEV_KEY, f"{CANARY} {SECRET}")
            assert answer.status_code == 200, answer.text
            request_id = answer.headers["x-langwatch-request-id"]
            told = wait_until(lambda: span_of(peer, request_id), 30, "the call's span")
            # Each worker hears of the changed key by itself, within two seconds.
            return told if "gen_ai.input.messages" in told else {}

        told = wait_until(captured, 30, "a call with its content")
        assert CANARY in told["gen_ai.input.messages"]
        assert SECRET not in told["gen_ai.input.messages"]
        assert told["gen_ai.output.messages"].startswith('[{"role":"assistant"')
        plain = call(stack, CI_KEY, CANARY)
        told = wait_until(lambda: span_of(peer, plain.headers["x-langwatch-request-id"]), 30)
        assert "gen_ai.input.messages" not in told
        refused = call(stack, CI_KEY, CANARY, model="bedrock/none")
        assert refused.status_code == 400, refused.text
        told = wait_until(lambda: span_of(peer, refused.headers["x-langwatch-request-id"]), 30)
        assert told["langwatch.status"] == "refused"
        assert {span.trace_id.hex() for span in peer.spans} == {TRACE}
        events = "select count(*) from lake.gateway_activity_events where source_type <> 'gateway'"
        sql = f"{events} and trace_id = '{TRACE}'"
        wait_until(lambda: stack.lake(sql)[0][0], 30, "spans at our own receiver")
        before = counted(stack, "gateway_http_requests_total")
        assert counted(stack, "gateway_workers") == 2
        stack.kill("gateway")
        wait_until(lambda: len(stack.pids()["gateway"]) == 2, 30, "two workers again")
        assert counted(stack, "gateway_http_requests_total") >= before
        assert stack.stop(signal.SIGTERM) == 0
        log = stack.log()
        for secret in (CANARY, SECRET, DEV_KEY, CI_KEY):
            assert secret not in log
        assert log.count("request_completed") >= 3
        assert "gateway_effective_config" in log
