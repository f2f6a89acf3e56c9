"""The server under test, once per way of waiting for sockets."""

import contextlib
from collections.abc import Callable

import pytest

from proxy.transport.hub import PortableHub, use_hub
from proxy.transport.limits import ServerLimits
from tests.component.proxy.transport.peers import Front, front_door


@pytest.fixture(params=["epoll", "portable"])
def serving(request) -> Callable[..., contextlib.AbstractAsyncContextManager[Front]]:
    """``async with serving(app, limits) as front``; once per way of noticing departures."""

    @contextlib.asynccontextmanager
    async def serve(app, limits: ServerLimits | None = None, send_buffer_bytes: int | None = None):
        if request.param == "portable":
            use_hub(PortableHub())
        async with front_door(app, limits or ServerLimits(), send_buffer_bytes) as front:
            yield front

    return serve
