"""What smugglers try: bytes that two servers could cut into requests differently. Each through a real socket.

A row says which paths the application may see and which answers go out. ``/smuggled`` is never among the paths:
either its bytes are a body, or the connection is closed before they are read.
"""

from typing import NamedTuple

import pytest

from proxy.transport.limits import ServerLimits
from proxy.transport.request import RequestReader

pytestmark = pytest.mark.trio
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


def post(*lines: bytes, body: bytes = b"", path: bytes = b"/first") -> bytes:
    return b"\r\n".join([b"POST " + path + b" HTTP/1.1", b"Host: a", *lines]) + b"\r\n\r\n" + body


def get(path: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([b"GET " + path + b" HTTP/1.1", b"Host: a", *lines]) + b"\r\n\r\n"


LENGTH = b"Content-Length: %d" % len(SMUGGLED)
CHUNKS = b"Transfer-Encoding: chunked"
IN_CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)


class Row(NamedTuple):
    sent: bytes
    statuses: list[int]
    paths: list[bytes]


ROWS = {
    "CL.TE": Row(post(b"Content-Length: 6", CHUNKS, body=b"0\r\n\r\nG" + SMUGGLED), [400], []),
    "TE.CL": Row(
        post(CHUNKS, b"Content-Length: 4", body=b"5c\r\n" + SMUGGLED + b"0\r\n\r\n"), [400], []
    ),
    "TE.TE, the second unknown": Row(
        post(CHUNKS, b"Transfer-Encoding: cow", body=b"0\r\n\r\n" + SMUGGLED), [400], []
    ),
    "TE.TE, the first unknown": Row(
        post(b"Transfer-Encoding: cow", CHUNKS, body=b"0\r\n\r\n" + SMUGGLED), [400], []
    ),
    "TE with a control character": Row(
        post(b"Transfer-Encoding: \x0bchunked", LENGTH, body=SMUGGLED), [400], []
    ),
    "TE with a NUL": Row(post(b"Transfer-Encoding: chunked\0", body=SMUGGLED), [400], []),
    "TE behind a space": Row(
        post(b" Transfer-Encoding: chunked", LENGTH, body=SMUGGLED), [400], []
    ),
    "TE before a space": Row(
        post(b"Transfer-Encoding : chunked", LENGTH, body=SMUGGLED), [400], []
    ),
    "TE in a folded line": Row(
        post(b"Transfer-Encoding:\r\n chunked", LENGTH, body=SMUGGLED), [400], []
    ),
    "TE with an underscore": Row(
        post(b"Transfer_Encoding: chunked", LENGTH, body=SMUGGLED), [400], []
    ),
    "TE in a bare LF line": Row(
        post(b"X: y\nTransfer-Encoding: chunked", LENGTH, body=SMUGGLED), [400], []
    ),
    "TE behind a bare CR": Row(
        post(b"X: y\rTransfer-Encoding: chunked", LENGTH, body=SMUGGLED), [400], []
    ),
    "TE with a parameter": Row(post(b"Transfer-Encoding: chunked;q=1", body=IN_CHUNKS), [400], []),
    "TE in another alphabet": Row(
        post("Transfer-Encoding: \u017fhunked".encode(), LENGTH, body=SMUGGLED), [400], []
    ),
    "CL.0: a body where none is usual": Row(
        get(b"/first", LENGTH) + SMUGGLED + get(b"/next"), [200, 200], [b"/first", b"/next"]
    ),
    "0.CL: a length of zero and another": Row(
        post(b"Content-Length: 0", LENGTH, body=SMUGGLED), [400], []
    ),
    "length with a plus": Row(post(b"Content-Length: +5", body=SMUGGLED), [400], []),
    "length in hexadecimal": Row(post(b"Content-Length: 0x5", body=SMUGGLED), [400], []),
    "length with an underscore": Row(post(b"Content-Length: 1_0", body=SMUGGLED), [400], []),
    "length in other digits": Row(
        post("Content-Length: \u0665".encode(), body=SMUGGLED), [400], []
    ),
    "length listed twice": Row(post(b"Content-Length: 5, 5", body=SMUGGLED), [400], []),
    "chunks whose size overflows": Row(
        post(CHUNKS, body=b"10000000000000001\r\n" + SMUGGLED), [400], [b"/first"]
    ),
    "a chunk that ends in LF alone": Row(
        post(CHUNKS, body=b"3\r\nabc\n0\r\n\r\n" + SMUGGLED), [400], [b"/first"]
    ),
    "a chunk's line end that is something else": Row(
        post(CHUNKS, body=b"3\r\nabcXX0\r\n\r\n" + SMUGGLED), [400], [b"/first"]
    ),
    "a size line that ends in LF alone": Row(
        post(CHUNKS, body=b"3\nabc\r\n0\r\n\r\n" + SMUGGLED), [400], [b"/first"]
    ),
    "an extension with a bare LF": Row(
        post(CHUNKS, body=b"3;a=\n0\r\nabc\r\n0\r\n\r\n" + SMUGGLED), [400], [b"/first"]
    ),
    "trailers that would frame": Row(
        post(CHUNKS, body=b"0\r\nContent-Length: 34\r\n\r\n" + get(b"/next")), [400], [b"/first"]
    ),
    "chunks in HTTP/1.0": Row(
        b"POST /first HTTP/1.0\r\nHost: a\r\n" + CHUNKS + b"\r\n\r\n" + IN_CHUNKS, [400], []
    ),
    "an upgrade that nobody granted": Row(
        get(b"/first", b"Connection: Upgrade", b"Upgrade: websocket") + SMUGGLED,
        [200],
        [b"/first"],
    ),
    "an upgrade with a body": Row(
        post(b"Connection: Upgrade", b"Upgrade: h2c", LENGTH, body=SMUGGLED + SMUGGLED),
        [200],
        [b"/first"],
    ),
    "what follows a refused request": Row(
        get(b"/first") + post(b"Content-Length: x", body=SMUGGLED) + get(b"/next"),
        [200, 400],
        [b"/first"],
    ),
    "what follows a CONNECT": Row(
        b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n" + SMUGGLED, [405], []
    ),
    "a request line with two versions": Row(
        b"GET / HTTP/1.1\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", [400], []
    ),
    "an empty line within the head": Row(
        b"POST /first HTTP/1.1\r\nHost: a\r\n" + LENGTH + b"\r\n\r\n" + SMUGGLED + get(b"/next"),
        [200, 200],
        [b"/first", b"/next"],
    ),
}


@pytest.mark.parametrize("name", ROWS)
async def test_nothing_is_smuggled(serving, name) -> None:
    sent, statuses, paths = ROWS[name]
    seen: list[bytes] = []

    async def app(scope, receive, send) -> None:
        seen.append(scope["raw_path"])
        while (await receive())["more_body"]:
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async with serving(app) as front:
        client = await front.connect()
        await client.send(sent)
        found = [(await client.answer())[0] for _ in statuses]
        if statuses[-1] >= 400 or "upgrade" in name:
            assert await client.rest() == b"", "the connection must not go on behind a doubt"
    assert found == statuses
    assert seen == paths


async def test_no_way_of_cutting_the_bytes_changes_what_is_read() -> None:
    for name, row in ROWS.items():
        whole = read_in_steps(row.sent, len(row.sent))
        for step in (1, 2, 3, 7, 19):
            assert read_in_steps(row.sent, step) == whole, name


def read_in_steps(sent: bytes, step: int) -> object:
    reader = RequestReader(ServerLimits())
    for start in range(0, len(sent), step):
        reader.feed(sent[start : start + step])
    targets = [(r.method, r.target, b"".join(r.pieces)) for r in reader.ready]
    return targets, reader.error and reader.error.status
