"""Rate limits in the database: lent against a rolling window, as the key or the provider says it now."""

from datetime import timedelta

import pytest

from core.authoring import providers, virtual_keys
from core.authoring.providers import NewProvider
from core.authoring.virtual_keys import NewVirtualKey
from core.clock import to_ms
from core.database import connection, database
from core.models import LimitPeriod
from core.models.leasing import Amount, LeaseState, charge, lease
from rules.rates import COUNTING, COUNTING_RPM, DIMENSIONS, rate_limit_id
from tests.component.core.authoring.acme import NOW, PEPPER, SEALER, Acme, acme

pytestmark = pytest.mark.usefixtures("db")
RPM = DIMENSIONS["rpm"]


def key_with(org: Acme, rate_limits: dict[str, int]) -> str:
    new = NewVirtualKey(
        "dev", org.project.id, (org.openai.id,), config={"rate_limits": rate_limits}
    )
    return str(virtual_keys.create(org.actor, new, PEPPER, NOW)[0].id)


def ask(
    limit_id: str, amount: int, owner: str = "w1", back: int = 0, after: float = 0
) -> LeaseState:
    gives = [Amount(limit_id, 0, back)] if back else []
    now = NOW + timedelta(seconds=after)
    return lease(owner, [Amount(limit_id, 0, amount)], gives, now)[0][0]


def use(limit_id: str, amount: int, owner: str = "w1", at: float = 0, booked: float = 0) -> None:
    slot = RPM.slot_start_ms(to_ms(NOW + timedelta(seconds=at)))
    with connection(), database.atomic():
        charge(owner, [Amount(limit_id, slot, amount)], NOW + timedelta(seconds=booked or at))


def test_a_keys_limit_is_lent_and_used_over_its_window() -> None:
    limit = rate_limit_id("rpm", key_with(acme(), {"rpm": 10}))
    assert ask(limit, 6).granted == 6
    use(limit, 4)
    state = ask(limit, 6, "w2")
    assert (state.granted, state.settled, state.leased, state.limit) == (4, 4, 6, 10)
    assert state.opens_at_ms == RPM.leaves_at_ms(to_ms(NOW))
    assert ask(limit, 0).remaining == 2


def test_what_was_used_comes_back_when_its_slot_leaves_the_window() -> None:
    limit = rate_limit_id("rpm", key_with(acme(), {"rpm": 10}))
    ask(limit, 10)
    use(limit, 7)
    use(limit, 3, at=30)
    assert ask(limit, 10, after=64).granted == 0
    state = ask(limit, 10, after=65)
    assert (state.granted, state.settled) == (7, 3)
    assert state.opens_at_ms == RPM.leaves_at_ms(to_ms(NOW) + 30_000)


def test_slots_that_left_the_window_are_cleared() -> None:
    limit = rate_limit_id("rpm", key_with(acme(), {"rpm": 10}))
    use(limit, 1)
    use(limit, 1, at=200)
    use(limit, 1, at=10, booked=200)
    with connection():
        used = [row.settled for row in LimitPeriod.select() if row.settled]
    assert used == [1]


def test_an_unused_slice_can_be_given_back_whatever_slot_is_under_way() -> None:
    limit = rate_limit_id("rpm", key_with(acme(), {"rpm": 10}))
    ask(limit, 10)
    assert ask(limit, 0, back=4, after=20).remaining == 6
    assert ask(limit, 9, "w2", after=20).granted == 4


def test_a_limit_that_is_taken_off_is_gone_and_a_changed_one_counts_at_once() -> None:
    org = acme()
    key_id = key_with(org, {"rpm": 10})
    limit = rate_limit_id("rpm", key_id)
    use(limit, 5)
    changed = NewVirtualKey(
        "dev", org.project.id, (org.openai.id,), config={"rate_limits": {"rpm": 6}}
    )
    virtual_keys.update(org.actor, key_id, changed, NOW)
    assert ask(limit, 10).granted == 1
    none = NewVirtualKey("dev", org.project.id, (org.openai.id,), config={})
    virtual_keys.update(org.actor, key_id, none, NOW)
    assert ask(limit, 10).gone
    assert ask(rate_limit_id("rpm", "vk_none"), 1).gone


def test_a_providers_limit_stands_with_the_provider() -> None:
    org = acme()
    wanted = NewProvider(
        org.openai.name, "openai", org.openai.base_url, rate_limits={"tpm": 500, "rpm": None}
    )
    row = providers.update(org.actor, org.openai.id, wanted, SEALER, NOW)
    assert row.rate_limits == {"tpm": 500}
    assert ask(rate_limit_id("tpm", row.id), 700).granted == 500
    assert ask(rate_limit_id("rpm", row.id), 1).gone


def test_counting_tokens_has_a_limit_of_its_own_for_every_key() -> None:
    limit = rate_limit_id(COUNTING.name, key_with(acme(), {}))
    assert ask(limit, 10**6).granted == COUNTING_RPM
