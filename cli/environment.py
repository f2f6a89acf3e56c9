"""Builds the settings of a command: the environment, with what was given as options laid over it."""

import os
from collections.abc import Mapping
from pathlib import Path

from core.settings import Settings, load


def overlaid(environ: Mapping[str, str], options: Mapping[str, str | None]) -> dict[str, str]:
    """Return the environment with each given option in the place of its variable."""
    return {**environ, **{name: value for name, value in options.items() if value is not None}}


def settings_for(data_dir: Path | None = None) -> Settings:
    """Return the settings of this process. Raises SettingsError with every mistake."""
    given = None if data_dir is None else str(data_dir)
    return load(overlaid(os.environ, {"LANGWATCH_DATA_DIR": given}))
