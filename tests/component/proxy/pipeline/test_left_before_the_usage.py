"""A client that takes the words of an answer and leaves before its usage pays for what was thought unseen."""

import orjson
import pytest
import trio

from tests.component.proxy.pipeline.site import binding, chat, site
from tests.component.proxy.transport.peers import listener, until

pytestmark = pytest.mark.trio
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
UNSEEN = 900


def event(**more: object) -> bytes:
    return b"data: " + orjson.dumps({"id": "c", "model": "o3", "choices": []} | more) + b"\n\n"


WORDS = event(choices=[{"index": 0, "delta": {"content": "forty-two"}}])
REST = (
    event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
    + event(usage={"prompt_tokens": 10, "completion_tokens": UNSEEN + 3})
    + b"data: [DONE]\n\n"
)


async def test_leaving_after_the_last_word_is_no_way_to_think_for_nothing() -> None:
    door = listener()
    door.setblocking(False)
    goes_on = trio.Event()

    async def serve() -> None:
        taken = trio.socket.from_stdlib_socket(door)
        while True:
            sock, _ = await taken.accept()
            stream = trio.SocketStream(sock)
            await stream.receive_some(65536)
            await stream.send_all(HEAD + WORDS)
            if not goes_on.is_set():
                await stream.send_all(REST)
            else:
                await stream.receive_some(1)
            await stream.aclose()

    port = door.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        async with site(providers=lambda _: [binding("openai", port, "/v1")]) as here:
            for _ in range(3):
                await (await here.post("/v1/chat/completions", chat("o3", stream=True))).read()
            goes_on.set()
            sent = await here.post("/v1/chat/completions", chat("o3", stream=True))
            await sent.client.until(b"forty-two")
            await sent.client.stream.aclose()
            await until(lambda: len(here.settled) == 4)
            *whole, left = here.settled
            assert [row["output_tokens"] for row in whole] == [UNSEEN + 3] * 3
            assert (left["outcome"], left["is_estimated"]) == ("cancelled", True)
            assert UNSEEN // 2 < left["output_tokens"] <= UNSEEN + 3
            await here.at_rest()
        nursery.cancel_scope.cancel()
    door.close()
