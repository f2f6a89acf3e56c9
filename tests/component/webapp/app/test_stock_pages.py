"""The list of keys for gateways: the same bundles as one by one, without the pepper, in few statements."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.authoring import budgets, virtual_keys
from core.authoring.budgets import NewBudget
from core.authoring.virtual_keys import NewVirtualKey
from core.clock import utcnow
from core.models import VirtualKey
from core.secrets import Secret, lookup_hash, lookup_key, sealer_for
from tests.component.webapp.app.site import Site
from tests.component.webapp.app.test_internal_api import gateway_site, get, resolve
from tests.statements import counted
from webapp.queries import stock

KEYS = [f"lw_vk_live_01ARZ3NDEKTSV4RRFFQ69G5F{n}V" for n in range(6)]
SEALED = ("credential",)


def key_of(made: Site, secret: str) -> VirtualKey:
    """A key of the person's, with both providers, named after its secret."""
    org, pepper = made.org, made.app.extensions["settings"].pepper
    new = NewVirtualKey(secret[-3:], org.project.id, (org.openai.id, org.anthropic.id), org.ada.id)
    return virtual_keys.create(org.actor, new, pepper, utcnow(), Secret(secret))[0]


def pages(made: Site) -> list[dict[str, Any]]:
    found, token = [], ""
    while True:
        answer = get(made, "/bootstrap", f"page_token={token}" if token else "")
        assert answer.status_code == 200
        found.append(answer.json)
        token = answer.json["next_page_token"]
        if not token:
            return found


def comparable(config: dict[str, Any]) -> dict[str, Any]:
    """A bundle without what is sealed anew each time."""
    providers = [{k: v for k, v in p.items() if k not in SEALED} for p in config["providers"]]
    return config | {"providers": providers}


@pytest.mark.usefixtures("db")
def test_each_key_is_told_as_it_would_be_resolved_and_found_without_the_pepper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock, "PAGE_KEYS", 4)
    made = gateway_site(tmp_path)
    settings = made.app.extensions["settings"]
    rows = [key_of(made, secret) for secret in KEYS]
    new = NewBudget("own", "virtual_key", rows[2].id, "month", 10**9)
    budgets.create(made.org.actor, new, utcnow())
    told = pages(made)
    assert [len(page["keys"]) for page in told] == [4, 2]
    sealer = sealer_for(settings.internal_secret, "bundle")
    opened = sealer.open(told[0]["lookup_key"], stock.LOOKUP_PURPOSE).reveal()
    assert bytes.fromhex(opened) == lookup_key(settings.pepper)
    assert settings.pepper.reveal() not in str(told)
    by_lookup = {key["lookup"]: key for page in told for key in page["keys"]}
    for secret, row in zip(KEYS, rows, strict=True):
        key = by_lookup[lookup_hash(bytes.fromhex(opened), secret)]
        assert key["vk_id"] == row.id
        one_by_one = resolve(made, secret).json
        assert comparable(key["config"]) == comparable(one_by_one["config"])
    assert (
        len(
            by_lookup[next(k for k in by_lookup if by_lookup[k]["vk_id"] == rows[2].id)]["config"][
                "budgets"
            ]
        )
        == 1
    )


@pytest.mark.usefixtures("sqlite_db")
def test_what_may_not_be_used_is_not_told(tmp_path: Path) -> None:
    made = gateway_site(tmp_path)
    actor, now = made.org.actor, utcnow()
    rows = [key_of(made, secret) for secret in KEYS]
    virtual_keys.revoke(actor, rows[0].id, now)
    virtual_keys.disable(actor, rows[1].id, now)
    VirtualKey.update(expires_at=now - timedelta(seconds=1)).where(
        VirtualKey.id == rows[2].id
    ).execute()
    VirtualKey.update(lookup_hash=None).where(VirtualKey.id == rows[3].id).execute()
    assert [k["vk_id"] for k in pages(made)[0]["keys"]] == [rows[4].id, rows[5].id]
    assert resolve(made, KEYS[3]).status_code == 200
    told = [k["vk_id"] for k in pages(made)[0]["keys"]]
    assert told == [rows[3].id, rows[4].id, rows[5].id], "a key's first use makes it known"


@pytest.mark.usefixtures("sqlite_db")
def test_a_rotated_key_is_told_with_both_secrets_while_both_hold(tmp_path: Path) -> None:
    made = gateway_site(tmp_path)
    pepper = made.app.extensions["settings"].pepper
    row = key_of(made, KEYS[0])
    virtual_keys.rotate(made.org.actor, row.id, pepper, utcnow(), Secret(KEYS[1]))
    [key] = pages(made)[0]["keys"]
    assert key["lookup"] == lookup_hash(lookup_key(pepper), KEYS[1])
    assert key["previous_lookup"] == lookup_hash(lookup_key(pepper), KEYS[0])
    assert key["previous_valid_until_ms"] > 0


@pytest.mark.usefixtures("sqlite_db")
def test_keys_that_are_alike_cost_no_statement_each(tmp_path: Path) -> None:
    made = gateway_site(tmp_path)
    for secret in KEYS:
        key_of(made, secret)
    with counted() as statements:
        assert len(pages(made)[0]["keys"]) == 6
    assert len(statements.all()) <= 13


@pytest.mark.usefixtures("sqlite_db")
def test_only_who_shares_the_secret_is_told(tmp_path: Path) -> None:
    made = gateway_site(tmp_path)
    assert made.app.test_client().get("/api/internal/gateway/bootstrap").status_code == 401
