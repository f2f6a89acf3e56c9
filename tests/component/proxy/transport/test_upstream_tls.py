"""The pool over TLS, with a certificate authority made for the test."""

import contextlib
import datetime
import functools
import ipaddress
import ssl

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from proxy.transport.dial import Dialer, Target
from proxy.transport.faults import Stage, UpstreamLost
from proxy.transport.upstream import UpstreamPool
from tests.component.proxy.transport.peers import Peer, listener, until

pytestmark = pytest.mark.trio
GET = (b"GET", b"/", [])
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def _certificate(name, issuer, issuer_key, key, names, is_authority):
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """The path of the authority's certificate and a server context for ``localhost``."""
    folder = tmp_path_factory.mktemp("ca")
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate("root", None, root_key, root_key, [], True)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf = _certificate("leaf", root.subject, root_key, key, names, False)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(root.public_bytes(pem))
    (folder / "leaf.pem").write_bytes(leaf.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "leaf.pem", folder / "key.pem")
    context.set_alpn_protocols(["h2", "http/1.1"])
    return str(folder / "ca.pem"), context


@contextlib.asynccontextmanager
async def tls_upstream(context, script, host="localhost"):
    door = trio.SocketListener(trio.socket.from_stdlib_socket(listener()))

    async def talk(stream) -> None:
        tls = trio.SSLStream(stream, context, server_side=True)
        try:
            with contextlib.suppress(EOFError, trio.BrokenResourceError):
                await tls.do_handshake()
                await script(Peer(tls, 1))
        finally:
            await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        await nursery.start(functools.partial(trio.serve_listeners, talk, [door]))
        yield Target("https", host, door.socket.getsockname()[1], True)
        nursery.cancel_scope.cancel()


async def whole(response) -> bytes:
    body = b""
    while (pieces := await response.next_chunks()) is not None:
        body += b"".join(pieces)
    return body


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_speaks_http_1_1_over_a_checked_certificate_and_reuses_the_connection(
    authority, host
) -> None:
    protocols, requests = [], []

    async def script(peer) -> None:
        protocols.append(peer.stream.selected_alpn_protocol())
        while True:
            requests.append(await peer.request())
            await peer.say(OK)

    async with tls_upstream(authority[1], script, host) as target:
        pool = UpstreamPool(Dialer(ca_file=authority[0]))
        for reused in (False, True):
            response = await pool.send(target, GET)
            assert (response.reused, await whole(response)) == (reused, b"ok")
        assert protocols == ["http/1.1"]
        assert b"host: %b:%d" % (host.encode(), target.port) in requests[0]
        pool.prune(0)
        assert pool.idle_count == 1, "session tickets are not taken for an unasked answer"
        pool.close()


async def test_refuses_a_certificate_it_does_not_trust(authority) -> None:
    async with tls_upstream(authority[1], lambda peer: peer.request()) as target:
        pool = UpstreamPool()
        with pytest.raises(UpstreamLost, match="certificate not trusted") as caught:
            await pool.send(target, GET)
        assert caught.value.stage is Stage.CONNECT
        assert pool.open_count == 0


async def test_refuses_a_certificate_for_another_name(authority) -> None:
    async with tls_upstream(authority[1], lambda peer: peer.request(), "127.0.0.2") as target:
        with pytest.raises(UpstreamLost):
            await UpstreamPool(Dialer(ca_file=authority[0])).send(target, GET)


async def test_carries_big_bodies_both_ways(authority) -> None:
    big = bytes(range(256)) * 20_000
    seen = []

    async def script(peer) -> None:
        seen.append(await peer.request())
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(big) + big)

    async with tls_upstream(authority[1], script) as target:
        pool = UpstreamPool(Dialer(ca_file=authority[0]))
        with trio.fail_after(10):
            assert await whole(await pool.send(target, (b"POST", b"/", []), big)) == big
        assert seen[0].endswith(big)
        pool.close()


async def test_a_cut_without_close_notify_is_not_an_end(authority) -> None:
    async def script(peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\nsome of it")

    async with tls_upstream(authority[1], script) as target:
        pool = UpstreamPool(Dialer(ca_file=authority[0]))
        with pytest.raises(UpstreamLost) as caught, trio.fail_after(5):
            await whole(await pool.send(target, GET))
        assert caught.value.stage is Stage.BODY
        assert pool.open_count == 0


async def test_cancelling_a_handshake_leaves_nothing() -> None:
    accepted = []

    async def silent(stream) -> None:
        accepted.append(stream)
        await trio.sleep_forever()

    door = trio.SocketListener(trio.socket.from_stdlib_socket(listener()))
    async with trio.open_nursery() as nursery:
        await nursery.start(functools.partial(trio.serve_listeners, silent, [door]))
        pool = UpstreamPool()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as inner:
                target = Target("https", "localhost", door.socket.getsockname()[1], True)
                inner.start_soon(pool.send, target, GET)
                await until(lambda: bool(accepted))
                scope.cancel()
        assert pool.open_count == 0
        nursery.cancel_scope.cancel()
