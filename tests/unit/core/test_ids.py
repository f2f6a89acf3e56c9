"""Ids sort as they were made; secrets have nothing in common but their time."""

from datetime import UTC, datetime, timedelta

from core.ids import new_id, new_virtual_key

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_ids_of_one_moment_ascend_and_those_of_a_later_one_follow():
    made = [new_id("team", NOW) for _ in range(500)]
    made += [new_id("team", NOW + timedelta(milliseconds=1)) for _ in range(2)]
    assert made == sorted(set(made))
    assert {len(each) for each in made} == {len("team_") + 26}


def test_a_secret_is_not_the_successor_of_another():
    random_parts = [new_virtual_key(NOW)[-16:] for _ in range(200)]
    assert random_parts != sorted(random_parts)
    assert len(set(random_parts)) == len(random_parts)
