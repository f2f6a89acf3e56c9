"""Settings: every mistake is named, secrets come from files too, nothing secret is ever shown."""

from pathlib import Path

import pytest

from core.secrets import Secret
from core.settings import GOVERNANCE_FLAG, TABLE, SettingsError, load


def mistakes(**environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(environ)
    return caught.value.mistakes


def test_nothing_set_gives_the_defaults():
    settings = load({"PATH": "/bin"})
    assert (settings.web_port, settings.gateway_address) == (5560, ("127.0.0.1", 5563))


def test_every_mistake_is_listed_at_once():
    found = mistakes(LANGWATCH_WEB_PORT="99999", LOG_FORMAT="xml", LANGWATCH_WEB_PROT="1")
    assert len(found) == 3
    assert "LANGWATCH_WEB_PROT: no such setting; did you mean LANGWATCH_WEB_PORT?" in found


def test_both_names_of_a_setting_are_known():
    assert load({"GATEWAY_CONTROL_PLANE_URL": "http://a:1/"}).control_plane_url == "http://a:1"
    assert load({"LW_GATEWAY_BASE_URL": "http://b:2"}).control_plane_url == "http://b:2"


def test_the_newer_name_wins_over_the_older_one():
    both = {"GATEWAY_LISTEN_ADDR": ":1", "SERVER_ADDR": "127.0.0.1:2"}
    assert load(both).gateway_address == ("127.0.0.1", 2)


def test_a_secret_may_come_from_a_file(tmp_path: Path):
    (tmp_path / "s").write_text("top secret\n")
    settings = load({"LW_GATEWAY_INTERNAL_SECRET_FILE": str(tmp_path / "s")})
    assert settings.internal_secret.reveal() == "top secret"


def test_a_secret_file_that_cannot_be_read_stops_the_start():
    (found,) = mistakes(LANGWATCH_MASTER_KEY_FILE="/no/such/file")
    assert found.startswith("LANGWATCH_MASTER_KEY_FILE: cannot read")


def test_what_a_cluster_announces_is_not_a_mistake():
    load({"GATEWAY_SERVICE_HOST": "10.0.0.1", "GATEWAY_PORT": "tcp://10.0.0.1:5563"})


def test_settings_can_be_printed_without_their_secrets():
    settings = load({"LANGWATCH_MASTER_KEY": "canary-4711"})
    assert "canary" not in repr(settings) and "canary" not in f"{settings.master_key}"


def test_flags_are_off_until_the_operator_turns_them_on():
    assert not load({}).flag(GOVERNANCE_FLAG)
    assert load({"FEATURE_FLAG_FORCE_ENABLE": f"other, {GOVERNANCE_FLAG}"}).flag(GOVERNANCE_FLAG)
    forced = {"FEATURE_FLAG_FORCE_ENABLE": GOVERNANCE_FLAG, "RELEASE_UI_AI_GOVERNANCE_ENABLED": "0"}
    assert not load(forced).flag(GOVERNANCE_FLAG)


def test_each_setting_has_a_unit_and_a_sentence():
    for name, setting in TABLE.items():
        assert setting.unit and setting.sentence.endswith("."), name
        assert setting.is_secret == isinstance(setting.default, Secret), name
