"""The ingestion sources: list, composer, the secret that is shown once, and one source with its events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.lake.activity import SourceActivity
from core.models import IngestionSource
from rules.activity_events import ActivityEvent
from rules.source_types import CREATABLE, WEBHOOK
from webapp.page_models.settings_pages import ChangedField
from webapp.page_models.source_types import CHOICES, TypeChoice, family_of, type_label
from webapp.page_models.sources_health import MODES, Health, SourceChip

EVENTS_SHOWN = 25


@dataclass(frozen=True, slots=True)
class Mode:
    """One way for events to arrive, with the text for when nothing does."""

    key: str
    title: str
    caption: str
    icon: str
    empty_title: str
    empty_body: str
    can_add: bool


MODES_SHOWN = (
    Mode(
        "push",
        "Push",
        "Tools send events here over HTTP",
        "plug",
        "No push source",
        "Add one, and an OpenTelemetry exporter or a webhook can deliver to its own address.",
        True,
    ),
    Mode(
        "pull",
        "Pull",
        "Fetched on a schedule from an admin API",
        "pull",
        "No pull source",
        "This organization fetches from no admin API.",
        False,
    ),
    Mode(
        "s3",
        "S3 audit drops",
        "Read from files in a bucket",
        "bucket",
        "No S3 source",
        "This organization reads no audit files from a bucket.",
        False,
    ),
)


@dataclass(frozen=True, slots=True)
class SourcesPage:
    """The list, grouped by how events arrive."""

    now: datetime
    sources: tuple[SourceChip, ...]
    may_see: bool
    may_manage: bool

    def of(self, mode: Mode) -> tuple[SourceChip, ...]:
        """Return the sources of that mode; a type this version does not know counts as push."""
        return tuple(one for one in self.sources if MODES.get(one.type, "push") == mode.key)

    @property
    def modes(self) -> tuple[Mode, ...]:
        return MODES_SHOWN

    @property
    def poll_seconds(self) -> int:
        """Return how often the list asks again: quickly while a source waits for its first event."""
        return 3 if any(one.is_awaiting for one in self.sources) else 15


@dataclass(frozen=True, slots=True)
class SourceForm:
    """The composer's state: what was typed and what is wrong with it. ``source_id`` is empty for a new source."""

    values: Mapping[str, str]
    teams: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)
    source_id: str = ""
    version: str = ""
    """The state that its values came from."""
    is_stale: bool = False
    changes: Sequence[ChangedField] = ()
    """What somebody else changed meanwhile."""
    now: datetime | None = None
    as_page: bool = True

    def value(self, name: str) -> str:
        """Return what the field holds, empty when nothing was typed."""
        return self.values.get(name, "")

    def error(self, name: str) -> str:
        """Return the sentence beside the field, empty when it is right."""
        return self.errors.get(name, "")

    @property
    def type(self) -> str:
        """Return the type that is chosen, the most general one at first."""
        return self.values.get("type") or "otel_generic"

    @property
    def type_label(self) -> str:
        return type_label(self.type)

    @property
    def types(self) -> list[tuple[str, str]]:
        """Return the types that may be chosen."""
        return [(name, CREATABLE[name].label) for name in CHOICES]

    @property
    def choices(self) -> list[TypeChoice]:
        """Return the types whose own fields are shown: all for a new source, its own for an existing one."""
        return [one for one in CHOICES.values() if not self.source_id or one.type == self.type]


@dataclass(frozen=True, slots=True)
class SecretPage:
    """A fresh secret on its only page, with everything needed to use it at once."""

    source_id: str
    source_name: str
    source_type: str
    secret: str
    endpoint: str
    curl: str
    is_rotation: bool
    as_page: bool = True

    @property
    def endpoint_label(self) -> str:
        return "Webhook URL" if family_of(self.source_type) == WEBHOOK else "OTLP address"


@dataclass(frozen=True, slots=True)
class SourcePage:
    """One source: its state, counts and newest events."""

    now: datetime
    source: IngestionSource
    health: Health
    seen: SourceActivity | None
    events: list[ActivityEvent]
    team_name: str
    endpoint: str
    may_manage: bool
    may_see_events: bool
    is_first_page: bool
    hidden: str
    """What of people's words privacy rules hide from the viewer, in words."""

    @property
    def first_steps(self) -> str:
        """Return what to do while nothing has arrived."""
        is_webhook = family_of(self.source.type) == WEBHOOK
        what = "Post webhooks" if is_webhook else "Send OTLP traces"
        return (
            f"{what} to the address below, with the secret as a bearer token. "
            "Lost the secret? Rotate it."
        )

    @property
    def older_than(self) -> str:
        """Return the moment after which older events go on, empty on the last page."""
        if len(self.events) < EVENTS_SHOWN:
            return ""
        return (self.events[-1].event_timestamp + timedelta(milliseconds=1)).isoformat()

    @property
    def has_stale_timestamps(self) -> bool:
        """Say whether events exist of which none is recent: their own clock is probably wrong."""
        return bool(self.events) and self.seen is not None and self.seen.events_30d == 0
