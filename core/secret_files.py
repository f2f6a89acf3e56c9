"""Fills in the secrets that the operator did not set: read from the data directory, or made there on first use."""

import dataclasses
import os
import secrets
from pathlib import Path

from core.secrets import Pepper, Secret, derive
from core.settings import Settings, SettingsError


def prepare_data_dir(data_dir: Path) -> None:
    """Create the data directory with mode 0700; an existing one keeps its mode."""
    if not data_dir.exists():
        data_dir.mkdir(parents=True, mode=0o700)
        data_dir.chmod(0o700)


def with_control_plane_secrets(settings: Settings) -> Settings:
    """Return settings in which every secret of the web app and the streamer is set.

    The pepper follows from the master key and the claim secret from the internal secret, unless given or kept in
    a file: after a rotation the master key is another, but the pepper must not be.
    """
    settings = with_gateway_secrets(settings)
    files = SecretFiles(settings.data_dir)
    master = settings.master_key or _kept(files.master_key)
    previous = settings.master_key_previous or _read(files.master_key_previous)
    pepper = settings.pepper or _read(files.pepper) or pepper_of(master)
    pepper_previous = settings.pepper_previous or _read(files.pepper_previous)
    return dataclasses.replace(
        settings,
        master_key=master,
        master_key_previous=previous,
        pepper=Pepper(pepper.reveal(), pepper_previous),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class SecretFiles:
    """Where secrets are kept that the operator did not set, and those before a rotation."""

    data_dir: Path

    @property
    def master_key(self) -> Path:
        return self.data_dir / "master.key"

    @property
    def master_key_previous(self) -> Path:
        return self.data_dir / "master.key.previous"

    @property
    def pepper(self) -> Path:
        return self.data_dir / "pepper.secret"

    @property
    def pepper_previous(self) -> Path:
        return self.data_dir / "pepper.secret.previous"


def pepper_of(master: Secret) -> Secret:
    """Return the pepper that follows from a master key."""
    return Secret(derive(master, "virtual key pepper").hex())


def new_secret() -> Secret:
    """Return a fresh secret of 384 random bits."""
    return Secret(secrets.token_urlsafe(48))


def keep(path: Path, secret: Secret) -> None:
    """Write a secret to its file in place of the one there, readable by its owner alone."""
    temporary = _written(path, secret)
    temporary.replace(path)


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


def _read(path: Path) -> Secret:
    """Return a secret that may be kept in a file; an empty one when it is not."""
    return _kept(path) if path.exists() else Secret("")


def _written(path: Path, secret: Secret) -> Path:
    prepare_data_dir(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret.reveal() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return temporary


def _made(path: Path) -> Secret:
    secret = new_secret()
    temporary = _written(path, secret)
    try:
        # link() never replaces: of two first starts at once, the second reads what the first made.
        os.link(temporary, path)
    except FileExistsError:
        return _kept(path)
    finally:
        temporary.unlink()
    return secret
