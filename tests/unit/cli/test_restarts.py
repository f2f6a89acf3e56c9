"""When a program is started again, and what its environment holds."""

from cli.backoff import next_delay_seconds
from cli.children import Addresses, gateway_environ, shared_environ, web_environ
from core.settings import GATEWAY_MENU_FLAG, GOVERNANCE_FLAG, load

ADDRESSES = Addresses("http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:1")


def test_the_delay_doubles_up_to_five_seconds() -> None:
    delays = [0.0]
    for _ in range(8):
        delays.append(next_delay_seconds(delays[-1], lived_seconds=0.2))
    assert delays[1:] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_a_program_that_lived_ten_seconds_starts_the_count_anew() -> None:
    assert next_delay_seconds(5.0, lived_seconds=10.0) == 0.1


def test_the_gateway_is_not_given_what_only_the_control_plane_may_know() -> None:
    secret = {
        "LANGWATCH_MASTER_KEY": "m",
        "LANGWATCH_MASTER_KEY_FILE": "f",
        "LANGWATCH_MASTER_KEY_PREVIOUS": "m",
        "LW_VIRTUAL_KEY_PEPPER": "p",
        "LW_VIRTUAL_KEY_PEPPER_PREVIOUS_FILE": "f",
        "LANGWATCH_SMTP_PASSWORD": "s",
        "DATABASE_URL": "postgresql://u:p@h/d",
    }
    kept = gateway_environ({**secret, "LW_GATEWAY_INTERNAL_SECRET": "i", "PATH": "/bin"})
    assert set(kept) == {"LW_GATEWAY_INTERNAL_SECRET", "PATH"}


def test_the_governance_interface_is_on_unless_the_operator_decided() -> None:
    assert GOVERNANCE_FLAG in web_environ({}, load({}))["FEATURE_FLAG_FORCE_ENABLE"]
    decided = load({"RELEASE_UI_AI_GOVERNANCE_ENABLED": "0"})
    assert web_environ({}, decided)["FEATURE_FLAG_FORCE_ENABLE"] == GATEWAY_MENU_FLAG


def test_flags_that_the_operator_forced_stay_forced() -> None:
    environ = {"FEATURE_FLAG_FORCE_ENABLE": "one,two"}
    forced = web_environ(environ, load(environ))["FEATURE_FLAG_FORCE_ENABLE"]
    assert forced.split(",") == ["one", "two", GOVERNANCE_FLAG, GATEWAY_MENU_FLAG]


def test_addresses_that_the_operator_gave_are_not_replaced() -> None:
    environ = {
        "LANGWATCH_PUBLIC_URL": "https://langwatch.example",
        "GATEWAY_CONTROL_PLANE_URL": "http://10.0.0.1:5560",
    }
    shared = shared_environ(environ, load(environ), ADDRESSES)
    assert shared["LANGWATCH_PUBLIC_URL"] == "https://langwatch.example"
    assert "LW_GATEWAY_BASE_URL" not in shared
    assert shared["LW_GATEWAY_PUBLIC_URL"] == ADDRESSES.gateway
