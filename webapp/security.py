"""Headers that keep browsers strict, and the address a request really came from. It authenticates nobody."""

from __future__ import annotations

import ipaddress

from flask import Flask, Response, request

from core.settings import Network, Settings

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: under that browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def install_headers(app: Flask, settings: Settings) -> None:
    """Put the headers on every answer; answers other than assets are never kept by a cache."""
    is_secure = settings.web_url.startswith("https://")

    @app.after_request
    def strict(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if is_secure:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")
        return response


def client_ip(settings: Settings) -> str:
    """Return the caller's address; X-Forwarded-For counts only as far as trusted proxies wrote it."""
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",")]
    address = request.remote_addr or "unknown"
    while hops and _is_within(address, settings.trusted_proxies):
        nearest = hops.pop()
        if not nearest:
            break
        address = nearest
    return address


def _is_within(address: str, networks: tuple[Network, ...]) -> bool:
    if not networks:
        return False
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
