"""Fills in the secrets that the operator did not set: read from the data directory, or made there on first use."""

import dataclasses
import os
import secrets
from pathlib import Path

from core.secrets import Secret, derive
from core.settings import Settings, SettingsError


def prepare_data_dir(data_dir: Path) -> None:
    """Create the data directory with mode 0700; an existing one keeps its mode."""
    if not data_dir.exists():
        data_dir.mkdir(parents=True, mode=0o700)
        data_dir.chmod(0o700)


def with_control_plane_secrets(settings: Settings) -> Settings:
    """Return settings in which every secret of the web app and the streamer is set.

    The pepper follows from the master key and the claim secret from the internal secret, unless given.
    """
    settings = with_gateway_secrets(settings)
    master = settings.master_key or _kept(settings.data_dir / "master.key")
    pepper = settings.pepper or Secret(derive(master, "virtual key pepper").hex())
    return dataclasses.replace(settings, master_key=master, pepper=pepper)


def with_gateway_secrets(settings: Settings) -> Settings:
    """Return settings in which the gateway's secrets are set; it never sees the master key or the pepper."""
    internal = settings.internal_secret or _kept(settings.data_dir / "internal.secret")
    claims = settings.jwt_secret or Secret(derive(internal, "key claims").hex())
    return dataclasses.replace(settings, internal_secret=internal, jwt_secret=claims)


def _kept(path: Path) -> Secret:
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return _made(path)
    if len(text) < 32:
        raise SettingsError([f"{path}: does not hold a secret of at least 32 characters"])
    return Secret(text)


def _made(path: Path) -> Secret:
    prepare_data_dir(path.parent)
    text = secrets.token_urlsafe(48)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
    try:
        # link() never replaces: of two first starts at once, the second reads what the first made.
        os.link(temporary, path)
    except FileExistsError:
        return _kept(path)
    finally:
        temporary.unlink()
    return Secret(text)
