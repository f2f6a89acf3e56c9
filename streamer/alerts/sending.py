"""Posts to addresses that somebody entered, through the one guard that there is for such addresses."""

from collections.abc import Mapping

from core.outbound import AddressRefused, Answer, Reach, exchange

__all__ = ["SEND_SECONDS", "AddressRefused", "Answer", "Reach", "post", "post_json"]

SEND_SECONDS = 5.0
USER_AGENT = "LangWatch-Anomaly-Dispatcher/1.0"


def post_json(url: str, body: bytes, reach: Reach) -> Answer:
    """Post a JSON body and return the answer, as ``post``."""
    return post(url, body, {"Content-Type": "application/json"}, reach)


def post(url: str, body: bytes, headers: Mapping[str, str], reach: Reach) -> Answer:
    """Post a body and return the answer, whatever its status.

    Raises AddressRefused, and httpx.TransportError when no answer came in time.
    """
    return exchange("POST", url, {"User-Agent": USER_AGENT, **headers}, body, reach)
