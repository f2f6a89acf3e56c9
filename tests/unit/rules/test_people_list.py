"""A pasted list of people, as people paste them."""

import pytest

from rules.people_list import COLUMNS, lines_of


def told(text: str) -> list[dict[str, str]]:
    lines = lines_of(text)
    assert all(not line.mistake for line in lines), lines
    return [dict(line.cells) for line in lines]


@pytest.mark.parametrize(
    "text",
    [
        "ada@acme.test\ngrace@acme.test",
        "\ufeffada@acme.test\r\n\r\n  grace@acme.test  \r\n",
        "ada@acme.test, grace@acme.test",
        "ada@acme.test; grace@acme.test",
        "ada@acme.test;grace@acme.test;",
        "E-Mail\nada@acme.test\ngrace@acme.test\n",
    ],
)
def test_addresses_stand_in_lines_or_beside_each_other(text):
    assert told(text) == [{"email": "ada@acme.test"}, {"email": "grace@acme.test"}]


@pytest.mark.parametrize(
    "text",
    [
        "ada@acme.test,Ada Byron,admin,Platform",
        "ada@acme.test;Ada Byron;admin;Platform",
        "ada@acme.test\tAda Byron\tadmin\tPlatform",
        "email,name,role,team\nada@acme.test,Ada Byron,admin,Platform",
        "Teams;Role;Full name;E-mail address\nPlatform;admin;Ada Byron;ada@acme.test",
        'email,name,role,team\n"Byron <ada@acme.test>", "Ada Byron",admin,Platform,,',
    ],
)
def test_columns_stand_in_their_order_or_as_a_heading_names_them(text):
    assert told(text) == [
        {"email": "ada@acme.test", "name": "Ada Byron", "role": "admin", "team": "Platform"}
    ]


def test_a_name_is_taken_from_an_address_as_mail_programs_write_it():
    text = "Ada Byron <ada@acme.test>; 'Hopper, Grace' <grace@acme.test>\n\"Knuth, Don\" <don@acme.test>"
    found = [(each["name"], each["email"]) for each in told(text)]
    assert found == [
        ("Ada Byron", "ada@acme.test"),
        ("Hopper, Grace", "grace@acme.test"),
        ("Knuth, Don", "don@acme.test"),
    ]


def test_several_teams_stand_between_bars_and_lines_are_counted_as_an_editor_does():
    text = "email,team\n\nada@acme.test, Platform | data |\n\n\ngrace@acme.test,"
    first, second = lines_of(text)
    assert (first.number, first.teams) == (3, ["Platform", "data"])
    assert (second.number, second.teams) == (6, [])


@pytest.mark.parametrize(
    ("text", "number", "said"),
    [
        ("email,manager\nada@acme.test,grace", 1, "no column “manager”"),
        ("email,name,E-Mail\nada@acme.test,Ada,x", 1, "“email” is there twice"),
        ("ada@acme.test\n" + "x," * len(COLUMNS) + "y", 2, "More cells than columns"),
        ('email,name\nada@acme.test,"Ada\ngrace@acme.test,Grace', 2, "not closed"),
        ("email\n" + "a" * 140_000, 2, "not closed"),
    ],
)
def test_what_is_no_list_of_people_says_in_which_line(text, number, said):
    found = next(line for line in lines_of(text) if line.mistake)
    assert found.number == number and said in found.mistake


def test_nobody_is_named_by_nothing():
    assert lines_of(" \n\r\n,,\n") == []
