"""Leases never lend more than a limit has, and settling books each call once."""

import threading
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.clock import to_ms, utcnow
from core.database import connection, database
from core.models import Budget, Lease, LimitPeriod
from core.models.leasing import Amount, charge, drop_expired, lease, release
from tests.databases import empty_tables

NOW = utcnow().replace(microsecond=0)
START_MS = to_ms(NOW.replace(minute=0, second=0))


def budget(limit_nanousd: int) -> str:
    with connection():
        Budget.create(
            id="bud_1",
            organization_id="org_1",
            name="b",
            scope="organization",
            scope_id="org_1",
            window="hour",
            limit_nanousd=limit_nanousd,
            created_at=NOW,
            updated_at=NOW,
        )
    return "bud_1"


def ask(owner: str, nanousd: int, back: int = 0, now=NOW):
    gives = [Amount("bud_1", START_MS, back)] if back else []
    states, _ = lease(owner, [Amount("bud_1", START_MS, nanousd)], gives, now)
    return states[0]


def test_grants_what_is_left_and_no_more(db):
    budget(100)
    assert ask("a", 60).granted == 60
    state = ask("b", 60)
    assert (state.granted, state.remaining, state.leased) == (40, 40, 100)
    assert ask("b", 1).granted == 0


def test_a_want_of_zero_only_reads(db):
    budget(100)
    ask("a", 30)
    state = ask("b", 0)
    assert (state.granted, state.remaining, state.leased) == (0, 0, 30)


def test_what_is_given_back_can_be_lent_again(db):
    budget(100)
    ask("a", 100)
    assert ask("b", 10).granted == 0
    assert ask("a", 0, back=10).remaining == 90
    assert ask("b", 10).granted == 10


def test_an_expired_lease_counts_for_nothing(db):
    budget(100)
    ask("a", 100)
    assert ask("b", 50, now=NOW + timedelta(seconds=61)).granted == 50


def test_renewing_keeps_a_lease_alive(db):
    budget(100)
    ask("a", 100)
    ask("a", 0, now=NOW + timedelta(seconds=50))
    assert ask("b", 50, now=NOW + timedelta(seconds=61)).granted == 0


def test_a_charge_shrinks_the_lease_and_fills_the_period(db):
    budget(100)
    ask("a", 60)
    with database.connection_context(), database.atomic():
        charge("a", [Amount("bud_1", START_MS, 25)], NOW)
    state = ask("a", 0)
    assert (state.remaining, state.settled, state.leased) == (35, 25, 35)


def test_spending_past_a_lease_leaves_less_for_others_and_never_a_negative_lease(db):
    budget(100)
    ask("a", 10)
    with database.connection_context(), database.atomic():
        charge("a", [Amount("bud_1", START_MS, 95)], NOW)
    state = ask("b", 50)
    assert (state.granted, state.settled, state.leased) == (5, 95, 5)


def test_release_ends_an_owners_leases_only(db):
    budget(100)
    ask("a", 60)
    ask("b", 40)
    assert release("a") == 1
    assert ask("c", 100).granted == 60


def test_expired_leases_are_swept(db):
    budget(100)
    ask("a", 60)
    assert drop_expired(NOW) == 0
    assert drop_expired(NOW + timedelta(seconds=61)) == 1
    with connection():
        assert LimitPeriod.get().leased == 0


def test_an_archived_limit_is_gone(db):
    budget(100)
    with connection():
        Budget.update(archived_at=NOW).execute()
    assert ask("a", 10).gone


def test_owners_that_ask_at_once_share_the_limit_exactly(db):
    budget(1000)
    granted = []

    def run(owner: str) -> None:
        for _ in range(25):
            granted.append(ask(owner, 17).granted)
        database.close()

    threads = [threading.Thread(target=run, args=(f"o{i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 1000
    with connection():
        assert LimitPeriod.get().leased == 1000


STEP = st.tuples(
    st.sampled_from(["ask", "give", "charge", "release", "later"]),
    st.sampled_from(["a", "b", "c"]),
    st.integers(0, 70),
)


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEP, max_size=25))
def test_no_order_of_events_lends_more_than_the_limit(sqlite_db, steps):
    empty_tables()
    budget(200)
    now = NOW
    for verb, owner, amount in steps:
        if verb == "ask":
            ask(owner, amount, now=now)
        elif verb == "give":
            ask(owner, 0, back=amount, now=now)
        elif verb == "release":
            release(owner)
        elif verb == "later":
            now += timedelta(seconds=amount)
        else:
            with database.connection_context(), database.atomic():
                held = Lease.get_or_none(Lease.owner == owner)
                charge(
                    owner,
                    [Amount("bud_1", START_MS, min(amount, held.remaining if held else 0))],
                    now,
                )
        with connection():
            period = LimitPeriod.get_or_none()
            leased = sum(row.remaining for row in Lease.select())
        if period is not None:
            assert period.leased == leased
            assert period.settled + leased <= 200
