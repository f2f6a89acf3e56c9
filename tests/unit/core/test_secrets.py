"""Sealing, hashing, signing, and keeping secrets out of texts."""

import logging
import pickle
from pathlib import Path

import pytest

from core import log
from core.fault import Fault
from core.secret_files import with_control_plane_secrets, with_gateway_secrets
from core.secrets import (
    Sealer,
    SealError,
    Secret,
    peppered_hash,
    sealer_for,
    sign_request,
    signature_matches,
)
from core.settings import SettingsError, load

MASTER = Secret("a master key of some length, made for this test")


def test_what_was_sealed_opens_under_the_same_key_and_purpose_only():
    sealed = sealer_for(MASTER).seal("sk-test", "provider:1")
    assert sealed.startswith("enc:v1:") and "sk-test" not in sealed
    assert sealer_for(MASTER).open(sealed, "provider:1").reveal() == "sk-test"
    for sealer, purpose in [
        (sealer_for(MASTER), "provider:2"),
        (sealer_for(Secret("b" * 40)), "provider:1"),
    ]:
        with pytest.raises(SealError):
            sealer.open(sealed, purpose)


@pytest.mark.parametrize("text", ["", "plain", "enc:v1:nokey:AAAA", "enc:v2:x:y"])
def test_what_is_no_seal_is_refused(text):
    with pytest.raises(SealError):
        sealer_for(MASTER).open(text, "p")


def test_a_key_that_is_kept_for_reading_still_opens():
    old, new = b"o" * 32, b"n" * 32
    sealed = Sealer({"old": old}, "old").seal("text", "p")
    assert Sealer({"old": old, "new": new}, "new").open(sealed, "p").reveal() == "text"


def test_a_secret_shows_in_no_form_of_text():
    secret = Secret("canary-4711")
    for text in (
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret:>30}",
        "".join(["", str(secret)]),
        str({"k": secret}),
    ):
        assert "canary" not in text
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_the_hash_depends_on_the_pepper():
    assert peppered_hash(Secret("a"), "x") != peppered_hash(Secret("b"), "x")


# Computed by the contract's authors and checked by hand: SHA-256 of the body, then HMAC over four lines.
VECTORS = [
    ("lw_vk_live_01HZX", "4e4c8634b10a7ef719cf6d56b89b7f44a5ac7544c03d98ef132b79d36a1a6a1f"),
    ("vk-lw-01HZX", "a73842ca249456600ab7752cc709e42c2b5ff2ca12f5b9f45f56ba873590c4e5"),
]


@pytest.mark.parametrize(("key", "signature"), VECTORS)
def test_signatures_agree_with_the_published_vectors(key, signature):
    secret = Secret("shared-test-secret-32byteslong!!")
    body = f'{{"key_presented":"{key}","gateway_node_id":"gw-a"}}'.encode()
    path = "/api/internal/gateway/resolve-key"
    assert sign_request(secret, "POST", path, "1734567890", body) == signature
    assert signature_matches((Secret("other"), secret), signature, "POST", path, "1734567890", body)
    assert not signature_matches((secret,), signature, "POST", path, "1734567891", body)
    assert not signature_matches((Secret(""),), signature, "POST", path, "1734567890", body)


def test_secrets_are_made_once_and_kept_private(tmp_path: Path):
    settings = load({"LANGWATCH_DATA_DIR": str(tmp_path / "data")})
    first, second = with_control_plane_secrets(settings), with_control_plane_secrets(settings)
    assert first == second and first.pepper and first.jwt_secret
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    for name in ("master.key", "internal.secret"):
        assert (tmp_path / "data" / name).stat().st_mode & 0o777 == 0o600


def test_a_gateway_gets_neither_master_key_nor_pepper(tmp_path: Path):
    settings = with_gateway_secrets(load({"LANGWATCH_DATA_DIR": str(tmp_path)}))
    assert settings.internal_secret and not settings.master_key and not settings.pepper
    assert not (tmp_path / "master.key").exists()


def test_a_secret_file_that_was_cut_short_stops_the_start(tmp_path: Path):
    (tmp_path / "internal.secret").write_text("short")
    with pytest.raises(SettingsError, match="at least 32"):
        with_gateway_secrets(load({"LANGWATCH_DATA_DIR": str(tmp_path)}))


@pytest.mark.parametrize(
    "canary",
    [
        "lw_vk_live_01HZX9K3M00000000000000000",
        "vk-lw-01HZX9K3M00000000000000000",
        "lw_is_kgOa878pAAAAAAAAAAAAAAAA",
        "sk-ant-api03-abcdefghijklmnop",
        "sk-proj-abcdefghijklmnop",
        "AIzaSyAbcdefghijklmnopqrstu",
    ],
)
def test_log_lines_show_no_key(canary, capsys):
    log.configure("test", form="json")
    logging.getLogger("x").info("using %s", canary, extra={"given": canary})
    line = capsys.readouterr().err
    assert canary not in line and "[redacted]" in line


def test_each_fault_says_what_to_do():
    for fault in Fault:
        assert 400 <= fault.status < 600 and fault.hint.endswith("."), fault
