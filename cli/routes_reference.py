"""Writes the reference page of the gateway's routes from its one table."""

from proxy.routes import TABLE, Guard, Pricing, Route, Serves

_PRICES = {
    Pricing.TOKENS: "tokens",
    Pricing.PICTURES: "tokens, at the price of pictures",
    Pricing.SOUND: "characters, seconds or tokens of sound",
    Pricing.FREE: "nothing",
}
_GUARDED = {
    Guard.CONTENT: "request and answer",
    Guard.REQUEST: "request",
    Guard.NOTHING: "",
}
_OWN = {
    Serves.MODELS: "The models that the key can name, in the form of the caller's API.",
    Serves.GREETING: "A greeting; no key needed.",
    Serves.UPGRADE: "WebSocket.",
    Serves.ALIVE: "Whether the process lives.",
    Serves.READY: "Whether it takes calls.",
    Serves.STARTED: "Whether it has started.",
    Serves.STATUS: "The public status.",
    Serves.METRICS: "Prometheus metrics.",
}
GENERATED = "<!-- Written by `python -m cli.reference`; edit the code, not this page. -->\n"


def routes_page() -> str:
    """Return the page that lists every address of the gateway."""
    lines = [
        "# Routes of the gateway\n",
        GENERATED,
        "A path that is not here is 404. `/api/v1…` is another spelling of `/v1…`. A key is taken from",
        "`Authorization: Bearer`, `x-api-key`, `x-goog-api-key`, `xi-api-key`, `api-key`, or the query's `key`,",
        "which is never forwarded and never logged.\n",
        "## Calls of providers\n",
        "| Path | `request_type` | Spoken in | Billed | Policies and guardrails look at |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [_exchange(route) for route in TABLE if route.serves is Serves.EXCHANGE]
    lines += [
        "\nWhat is billed by the character or by the second is in the ledger's `facts` as `units`, with no tokens.",
        "Pictures and sound of a model without a published price are marked `unpriced` and cost nothing in a budget; a",
        "budget with `on_unpriced: refuse` takes none of them.\n",
        "A question for a number of tokens that no provider of the model takes is answered by an estimate, rather too",
        "high, with the header `X-LangWatch-Token-Count: estimated`.\n",
        "Not served, so that nothing is spent past the ledger: batches, files, background and stored responses,",
        "fine-tuning, assistants, realtime sessions, cached contents.\n",
        "## Answered by the gateway itself\n",
        "| Methods | Path | What |",
        "| --- | --- | --- |",
    ]
    for route in TABLE:
        if route.serves is not Serves.EXCHANGE:
            path = route.path + "{id}" if route.has_tail else route.path
            methods = " ".join(sorted(route.methods))
            lines.append(f"| {methods} | `{path}` | {_OWN[route.serves]} |")
    lines += [
        "\n`GET /v1/models` belongs to three APIs: with `x-goog-api-key` the answer is in Gemini's form, with",
        "`anthropic-version` in Anthropic's, else in OpenAI's. It lists the names under which a call there would be",
        "sent to a provider, translated or not: aliases, entries of allow-lists, and the models that the providers are",
        "declared to serve or the catalogue knows, as far as allow-lists, routing policies and rules on models let",
        "them pass; beside them `family/*` for each type of provider. A single name is answered for whenever a call",
        "with it would be sent somewhere, on the list or not.",
    ]
    return "\n".join(lines) + "\n"


def _exchange(route: Route) -> str:
    spoken = "" if route.dialect is None else f"`{route.dialect.name}`"
    cells = (
        f"`POST {route.path}`",
        f"`{route.request_type}`",
        spoken,
        _PRICES[route.pricing],
        _GUARDED[route.guard],
    )
    return f"| {' | '.join(cells)} |"
