"""`langwatch secrets`: a new master key and a new pepper, interrupted and whole, with nothing lost on the way."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import langwatch
from cli.premises import lock_data_dir
from core.authoring import (
    anomaly_rules,
    ingestion_sources,
    organizations,
    projects,
    providers,
    teams,
    virtual_keys,
)
from core.authoring.actor import system
from core.authoring.destinations import opened
from core.database import migrate, open_database
from core.models import ALL_MODELS, AnomalyRule, AuditRow, Provider, VirtualKey
from core.sealing import SEALED, database_sealer, left_under_other_keys
from core.secret_files import with_control_plane_secrets
from core.secrets import Secret
from core.settings import Settings, load
from tests.databases import close_database

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
CREDENTIAL = Secret("sk-provider-credential-1234567890")
WEBHOOK = "https://hooks.slack.test/services/T/B/secret"


@dataclass(frozen=True, slots=True)
class Plane:
    """A data directory with something sealed and something hashed in it."""

    data_dir: Path
    key: Secret
    source_secret: Secret

    def settings(self) -> Settings:
        return with_control_plane_secrets(load({"LANGWATCH_DATA_DIR": str(self.data_dir)}))

    def run(self, *arguments: str, **environment: str) -> Result:
        """Run `langwatch secrets …` on the data directory."""
        close_database()
        command = ["secrets", *arguments, "--data-dir", str(self.data_dir)]
        result = CliRunner(env=environment).invoke(langwatch, command)
        open_database(self.settings().control_database_url)
        return result

    def opens_everything(self, settings: Settings) -> bool:
        sealer = database_sealer(settings)
        credential = providers.credential_of(Provider.get(), sealer)
        return credential == CREDENTIAL and WEBHOOK in str(opened(AnomalyRule.get(), sealer))

    def finds_both(self, settings: Settings) -> bool:
        key = virtual_keys.find_by_secret(settings.pepper, self.key.reveal(), LATER)
        source = ingestion_sources.find_by_secret(
            settings.pepper, self.source_secret.reveal(), LATER
        )
        return key is not None and source is not None


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    settings = with_control_plane_secrets(load({"LANGWATCH_DATA_DIR": str(tmp_path)}))
    open_database(settings.control_database_url)
    migrate()
    actor = system(organizations.create("Acme", "acme", NOW).id)
    team = teams.create(actor, "Core", "core", NOW)
    project = projects.create(actor, "App", "app", team.id, NOW)
    sealer = database_sealer(settings)
    provider = providers.create(
        actor,
        providers.NewProvider("main", "openai", "https://api.openai.com/v1", CREDENTIAL),
        sealer,
        NOW,
    )
    anomaly_rules.create(
        actor,
        anomaly_rules.NewRule(
            "Spike",
            "warning",
            "spend_spike",
            "organization",
            actor.organization_id,
            {"windowSec": 3600, "ratioVsBaseline": 2, "minBaselineUsd": 1},
            destinations=[{"type": "slack", "webhookUrl": WEBHOOK}],
        ),
        sealer,
        NOW,
    )
    new_key = virtual_keys.NewVirtualKey("k", project.id, (provider.id,))
    _, key = virtual_keys.create(actor, new_key, settings.pepper, NOW)
    new_source = ingestion_sources.NewSource(name="otel", type="otel_generic")
    _, secret = ingestion_sources.create(actor, new_source, settings.pepper, NOW)
    yield Plane(tmp_path, key, secret)
    close_database()


def test_a_new_master_key_seals_everything_and_no_key_of_ours_changes(plane: Plane) -> None:
    before = plane.settings()
    result = plane.run("rotate")
    assert result.exit_code == 0, result.output
    after = plane.settings()
    assert after.master_key != before.master_key
    assert not after.master_key_previous
    assert after.pepper == before.pepper
    assert plane.opens_everything(after) and plane.finds_both(after)
    assert left_under_other_keys(database_sealer(after)) == {}
    assert AuditRow.select().where(AuditRow.action == "organization.secrets_resealed").count() == 1
    for secret in (before.master_key, after.master_key, before.pepper, CREDENTIAL):
        assert secret.reveal() not in result.output


def test_a_rotation_that_was_interrupted_goes_on_where_it_stopped(plane: Plane) -> None:
    before = plane.settings()
    lock = (plane.data_dir / "master.key").read_text()
    plane.run("rotate")
    # As if the machine had stopped after the new key was written and nothing was sealed yet.
    renewed = plane.settings()
    (plane.data_dir / "master.key.previous").write_text((plane.data_dir / "master.key").read_text())
    (plane.data_dir / "master.key").write_text("another key of more than thirty-two characters\n")
    result = plane.run("rotate")
    assert result.exit_code == 0 and "interrupted" in result.output, result.output
    after = plane.settings()
    assert after.master_key not in (before.master_key, renewed.master_key)
    assert lock.strip() == before.master_key.reveal()
    assert plane.opens_everything(after)


def test_nothing_is_rotated_under_running_programs(plane: Plane) -> None:
    before = plane.settings()
    descriptor = lock_data_dir(plane.data_dir)
    try:
        for arguments in (("rotate",), ("rotate", "--pepper")):
            result = plane.run(*arguments)
            assert result.exit_code != 0 and "Stop it first" in str(result.exception)
    finally:
        os.close(descriptor)
    assert plane.settings().master_key == before.master_key


def test_a_key_that_something_still_needs_is_not_given_up(plane: Plane) -> None:
    foreign = "enc:v1:0badc0de:AAAA"
    VirtualKey.update(description=f"pasted {foreign}").execute()
    result = plane.run("rotate")
    assert result.exit_code != 0
    assert "virtual_key.description (1)" in str(result.exception)
    assert (plane.data_dir / "master.key.previous").exists()
    assert plane.opens_everything(plane.settings())


def test_keys_set_by_the_operator_are_sealed_under_without_a_file(plane: Plane) -> None:
    old = plane.settings().master_key.reveal()
    new = "n" * 40
    result = plane.run("rotate", LANGWATCH_MASTER_KEY=new, LANGWATCH_MASTER_KEY_PREVIOUS=old)
    assert result.exit_code == 0 and "no longer needed" in result.output, result.output
    given = {"LANGWATCH_DATA_DIR": str(plane.data_dir), "LANGWATCH_MASTER_KEY": new}
    assert plane.opens_everything(with_control_plane_secrets(load(given)))
    missing = plane.run("rotate", LANGWATCH_MASTER_KEY="x" * 40)
    assert missing.exit_code != 0 and "LANGWATCH_MASTER_KEY_PREVIOUS" in str(missing.exception)


def test_a_new_pepper_finds_old_secrets_and_hashes_them_anew(plane: Plane) -> None:
    before = plane.settings().pepper
    assert plane.run("rotate", "--pepper").exit_code == 0
    after = plane.settings()
    assert after.pepper != before
    counted = plane.run("status").output
    assert "virtual keys: 1" in counted and "ingestion sources: 1" in counted
    refused = plane.run("forget-pepper")
    assert refused.exit_code != 0 and "1 in virtual keys" in str(refused.exception)
    again = plane.run("rotate", "--pepper")
    assert again.exit_code != 0 and "still needed" in str(again.exception)

    assert plane.finds_both(after)
    assert "not used since" not in plane.run("status").output
    assert plane.run("forget-pepper").exit_code == 0
    assert plane.finds_both(plane.settings())
    assert virtual_keys.find_by_secret(before, plane.key.reveal(), LATER) is None


def test_every_sealed_column_of_the_models_is_known_to_the_rotation() -> None:
    known = {(column.model, column.column) for column in SEALED}
    sealed = {
        (model, name)
        for model in ALL_MODELS
        for name in model._meta.fields
        if name.startswith("sealed_")
    }
    assert sealed <= known
