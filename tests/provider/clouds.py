"""The clouds that resell others' models: their addresses, proofs and framing around the answers of `answers.py`.

Azure (deployments, `api-key` or Entra token), Bedrock (signatures checked with botocore, event streams) and
Vertex (tokens of a service account). Pure but for the tokens and the account that it keeps.
"""

import base64
import re
import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from urllib.parse import parse_qs, unquote

import jwt
import orjson
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.provider import converse
from tests.provider.answers import Answer
from tests.provider.behaviour import Behaviour
from tests.provider.request import Request

AWS_KEYS = {"AKIAFAKE": ("fake/secret+key", ""), "ASIAFAKE": ("fake-secret", "fake-session")}
BEDROCK_API_KEY = "bedrock-api-key-fake"
AWS_REGION = "eu-central-1"
AZURE_KEY = "azure-fake-key"
ENTRA = {"tenant_id": "fake-tenant", "client_id": "fake-app", "client_secret": "fake-app-secret"}
PROJECT, REGION = "fake-project", "us-east5"
LATER_VERSION = "2026-10-21"
"""What Anthropic's own SDK sends to the clouds now; the version before has another name at each."""
KNOWN = ("bedrock-2023-05-31", LATER_VERSION)
MISSING = "missing"
"""The name of a deployment or model that no cloud here has."""
_SKEW_SECONDS = 300
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_AZURE = re.compile(r"/openai(?:/(v1)|/deployments/([^/]+))?(/.+)")
_BEDROCK = re.compile(r"/model/([^/]+)/([a-z-]+)")
_VERTEX = re.compile(
    r"/v1/projects/([^/]+)/locations/([^/]+)/publishers/(google|anthropic)/models/([^/:]+):(\w+)"
)
_PROOF = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([\w-]+)/bedrock/aws4_request, "
    r"SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})"
)


@dataclass(frozen=True)
class Wrapped:
    """A cloud's request: answered at once, or another request whose answer is wrapped."""

    inner: Request
    wrap: Callable[[Answer], Answer]
    made: Answer | None = None


class Clouds:
    """One fake's tokens and the account that may have them."""

    def __init__(self) -> None:
        self.tokens: set[str] = set()
        self.issued = 0

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        # Made when first asked for: most tests need no cloud, and this takes a tenth of a second.
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def service_account(self) -> bytes:
        """The JSON file of the account that may have tokens."""
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return orjson.dumps(
            {
                "type": "service_account",
                "project_id": PROJECT,
                "private_key_id": "fake-key-1",
                "private_key": pem,
                "client_email": "gateway@fake-project.iam.gserviceaccount.com",
                "token_uri": "https://never.used.test/token",
            }
        )

    def unwrapped(self, request: Request, behaviour: Behaviour) -> Wrapped | None:
        """What a cloud makes of a request, or None when it is not a cloud's."""
        path = request.path
        if request.method == "POST" and path.endswith("/oauth2/v2.0/token"):
            return _made(request, self._entra_token(request, behaviour))
        if (request.method, path) == ("POST", "/google/token"):
            return _made(request, self._google_token(request, behaviour))
        if found := _AZURE.fullmatch(path):
            return self._azure(request, found)
        if found := _BEDROCK.fullmatch(path):
            return _bedrock(request, behaviour, found)
        found = _VERTEX.fullmatch(path)
        return self._vertex(request, found) if found else None

    # Tokens

    def _issued(self, behaviour: Behaviour) -> Answer:
        self.issued += 1
        token = f"fake-token-{self.issued}"
        self.tokens.add(token)
        seconds = behaviour.token_seconds
        return _json(200, {"access_token": token, "expires_in": seconds, "token_type": "Bearer"})

    def _google_token(self, request: Request, behaviour: Behaviour) -> Answer:
        form = {n: v[0] for n, v in parse_qs(request.body.decode()).items()}
        try:
            claims = jwt.decode(
                form["assertion"],
                self._key.public_key(),
                algorithms=["RS256"],
                audience="https://oauth2.googleapis.com/token",
            )
        except (jwt.PyJWTError, KeyError):
            return _json(
                400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            )
        if form.get("grant_type") != _GRANT or not claims.get("scope") or behaviour.status != 200:
            return _json(400, {"error": "invalid_scope", "error_description": "No scope."})
        return self._issued(behaviour)

    def _entra_token(self, request: Request, behaviour: Behaviour) -> Answer:
        form = {n: v[0] for n, v in parse_qs(request.body.decode()).items()}
        asked = {"tenant_id": request.path.split("/")[1]} | form
        if any(asked.get(name) != value for name, value in ENTRA.items()):
            said = "AADSTS7000215: Invalid client secret provided."
            return _json(401, {"error": "invalid_client", "error_description": said})
        return self._issued(behaviour)

    def _bearer(self, request: Request) -> str:
        return request.headers.get(b"authorization", b"").decode().removeprefix("Bearer ")

    # Clouds

    def _azure(self, request: Request, found: re.Match[str]) -> Wrapped:
        is_v1, deployment, rest = found.groups()
        model = unquote(deployment or str((request.json or {}).get("model", "")))
        inner = _inner(request, f"/v1{rest}", {} if deployment is None else {"model": model})
        is_proven = request.headers.get(b"api-key") == AZURE_KEY.encode()
        if not is_proven and self._bearer(request) not in self.tokens:
            said = "Access denied due to invalid subscription key or wrong API endpoint."
            return _refused(inner, 401, {"error": {"code": "401", "message": said}})
        if not is_v1 and "api-version=20" not in request.target:
            return _refused(inner, 404, {"error": {"code": "404", "message": "Resource not found"}})
        if model == MISSING:
            said = "The API deployment for this resource does not exist."
            return _refused(inner, 404, {"error": {"code": "DeploymentNotFound", "message": said}})
        return Wrapped(inner, _as_it_is)

    def _vertex(self, request: Request, found: re.Match[str]) -> Wrapped:
        project, region, publisher, model, action = found.groups()
        model, body = unquote(model), request.json if isinstance(request.json, dict) else {}
        if self._bearer(request) not in self.tokens:
            return _google(request, 401, "UNAUTHENTICATED", "Invalid authentication credentials.")
        if (project, region) != (PROJECT, REGION):
            said = f"Permission denied on resource project {project}."
            return _google(request, 403, "PERMISSION_DENIED", said)
        if model == MISSING:
            return _google(request, 404, "NOT_FOUND", "Publisher Model was not found.")
        if publisher == "google":
            return Wrapped(_inner(request, f"/v1beta/models/{model}:{action}", {}), _as_it_is)
        if body.get("anthropic_version") not in ("vertex-2023-10-16", LATER_VERSION):
            return _google(request, 400, "INVALID_ARGUMENT", "anthropic_version: Field required")
        if model == "count-tokens":
            return Wrapped(_inner(request, "/v1/messages/count_tokens", {}), _as_it_is)
        if "model" in body or (action == "streamRawPredict") != (body.get("stream") is True):
            return _google(
                request, 400, "INVALID_ARGUMENT", "model: Extra inputs are not permitted"
            )
        return Wrapped(_inner(request, "/v1/messages", {"model": model}), _as_it_is)


def _bedrock(request: Request, behaviour: Behaviour, found: re.Match[str]) -> Wrapped:
    model, action = unquote(found[1]), found[2]
    denied = aws_problem(request)
    if denied:
        return _aws(request, 403, *denied)
    if model == MISSING:
        said = "The provided model identifier is invalid."
        return _aws(request, 400, "ValidationException", said)
    body = request.json if isinstance(request.json, dict) else {}
    if action in ("converse", "converse-stream"):
        if behaviour.status != 200:
            return _aws(request, behaviour.status, "ThrottlingException", "Too many requests.")
        if not body.get("messages"):
            said = "A conversation must start with a user message."
            return _aws(request, 400, "ValidationException", said)
        streamed = action == "converse-stream"
        return _made(request, converse.answer(body, behaviour, streamed, event_message))
    if action == "count-tokens":
        inner_body = base64.b64decode(body["input"]["invokeModel"]["body"])
        inner = _inner(
            replace(request, body=inner_body, json=orjson.loads(inner_body)),
            "/v1/messages/count_tokens",
            {},
        )
        if problem := _claude_problem(inner.json):
            return _aws(request, 400, "ValidationException", problem)
        return Wrapped(inner, _counted)
    if problem := _claude_problem(body):
        return _aws(request, 400, "ValidationException", problem)
    streamed = action == "invoke-with-response-stream"
    inner = _inner(request, "/v1/messages", {"model": model, "stream": streamed})
    return Wrapped(inner, _as_bedrock)


def _claude_problem(body: object) -> str:
    if not isinstance(body, dict) or body.get("anthropic_version") not in KNOWN:
        return "Malformed input request: #: required key [anthropic_version] not found"
    for name in ("model", "stream", "betas"):
        if name in body:
            return f"Malformed input request: extraneous key [{name}] is not permitted"
    if "max_tokens" not in body:
        return "Malformed input request: #: required key [max_tokens] not found"
    unknown = [b for b in body.get("anthropic_beta", []) if b.startswith(("oauth", "claude-code"))]
    return "invalid beta flag" if unknown else ""


def aws_problem(request: Request) -> tuple[str, str] | None:
    """What AWS would say against a request's signature: code and message; None when it is right."""
    proof = request.headers.get(b"authorization", b"").decode()
    if proof == f"Bearer {BEDROCK_API_KEY}":
        return None
    found = _PROOF.fullmatch(proof)
    if not found:
        return "MissingAuthenticationTokenException", "Missing Authentication Token"
    key_id, _, region, names, signature = found.groups()
    secret, session = AWS_KEYS.get(key_id, ("", ""))
    if not secret or request.headers.get(b"x-amz-security-token", b"").decode() != session:
        return (
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        )
    moment = request.headers.get(b"x-amz-date", b"").decode()
    sent_s = time.mktime(time.strptime(moment, "%Y%m%dT%H%M%SZ")) - time.timezone
    if abs(time.time() - sent_s) > _SKEW_SECONDS:
        return "InvalidSignatureException", f"Signature expired: {moment} is now earlier than"
    if region != AWS_REGION:
        return "InvalidSignatureException", "Credential should be scoped to a valid region."
    signed = {n: request.headers[n.encode()].decode() for n in names.split(";")}
    if made_by_botocore(request, signed, (key_id, secret, session), region) != signature:
        said = "The request signature we calculated does not match the signature you provided."
        return "InvalidSignatureException", said
    return None


def made_by_botocore(
    request: Request, signed: dict[str, str], key: tuple[str, str, str], region: str
) -> str:
    """The signature that botocore makes of the same headers, path and body."""
    auth = SigV4Auth(Credentials(key[0], key[1], key[2] or None), "bedrock", region)
    url = f"http://{signed['host']}{request.target}"
    copy = AWSRequest(request.method, url, headers=signed, data=request.body)
    copy.context["timestamp"] = signed["x-amz-date"]
    text = auth.string_to_sign(copy, auth.canonical_request(copy))
    return str(auth.signature(text, copy))


# Framing


def event_message(headers: dict[str, str], payload: bytes) -> bytes:
    """One message of an AWS event stream."""
    block = b"".join(
        bytes([len(n.encode())])
        + n.encode()
        + b"\x07"
        + struct.pack(">H", len(v.encode()))
        + v.encode()
        for n, v in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    data = prelude + struct.pack(">I", zlib.crc32(prelude)) + block + payload
    return data + struct.pack(">I", zlib.crc32(data))


def _chunk(event: bytes) -> bytes:
    data = event.partition(b"data: ")[2].rstrip(b"\n")
    payload = orjson.dumps(
        {"bytes": base64.b64encode(data).decode(), "p": "abcdefgh"[: len(data) % 8]}
    )
    kind = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    return event_message(kind, payload)


def _as_bedrock(answer: Answer) -> Answer:
    head = with_header(answer.head, b"x-amzn-requestid", b"fake-aws-request")
    if answer.status != 200:
        message = orjson.loads(answer.body)["error"]["message"]
        head = with_header(head, b"x-amzn-errortype", b"ThrottlingException:")
        return replace(answer, head=head, body=orjson.dumps({"message": message}))
    if answer.events is None:
        return replace(answer, head=head)
    exception = {":exception-type": "throttlingException", ":message-type": "exception"}
    return replace(
        answer,
        head=with_header(head, b"content-type", b"application/vnd.amazon.eventstream"),
        events=[_chunk(event) for event in answer.events],
        error_event=event_message(exception, b'{"message":"Too many tokens, please wait."}'),
    )


def _counted(answer: Answer) -> Answer:
    if answer.status != 200:
        return _as_bedrock(answer)
    count = orjson.loads(answer.body)["input_tokens"]
    return replace(answer, body=orjson.dumps({"inputTokens": count}))


def with_header(head: bytes, name: bytes, value: bytes) -> bytes:
    """The head with one header set."""
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(name + b":")]
    lines.insert(1, name + b": " + value)
    return b"\r\n".join(lines)


def _as_it_is(answer: Answer) -> Answer:
    return answer


def _inner(request: Request, path: str, members: dict[str, object]) -> Request:
    query = request.target.partition("?")[2]
    changed = request.json
    if members and isinstance(changed, dict):
        changed = members | {n: v for n, v in changed.items() if n not in members} | members
    headers = {**request.headers, b"x-api-key": b"proven", b"authorization": b"Bearer proven"}
    headers[b"x-goog-api-key"] = b"proven"
    return replace(
        request, target=f"{path}?{query}" if query else path, json=changed, headers=headers
    )


def _json(status: int, value: object, **headers: str) -> Answer:
    phrase = {200: "OK"}.get(status, "Refused")
    more = "".join(f"{n.replace('_', '-')}: {v}\r\n" for n, v in headers.items())
    head = f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\n{more}"
    return Answer(status, head.encode(), orjson.dumps(value))


def _made(request: Request, answer: Answer) -> Wrapped:
    return Wrapped(request, _as_it_is, made=answer)


def _refused(request: Request, status: int, value: object) -> Wrapped:
    return _made(request, _json(status, value))


def _google(request: Request, status: int, word: str, message: str) -> Wrapped:
    error = {"error": {"code": status, "message": message, "status": word}}
    # Vertex wraps the refusal of a stream in a list.
    return _refused(request, status, [error] if ":stream" in request.path else error)


def _aws(request: Request, status: int, code: str, message: str) -> Wrapped:
    answer = _json(status, {"message": message}, x_amzn_errortype=code, x_amzn_requestid="fake-1")
    return _made(request, answer)
