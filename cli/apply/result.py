"""What applying a file needs beside it, and what it says it did. Does nothing itself."""

from dataclasses import dataclass, field

from core.secrets import Sealer, Secret


@dataclass(frozen=True, slots=True)
class Keys:
    """What hashes and seals secrets."""

    pepper: Secret
    sealer: Sealer


@dataclass(frozen=True, slots=True)
class Item:
    """A declared thing: its kind and its name."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Result:
    """What applying a document did, or would do, in the order in which it did it."""

    steps: list[tuple[str, Item]] = field(default_factory=list)
    """``created``, ``changed`` or ``unchanged``, and what."""
    secrets: list[tuple[Item, Secret]] = field(default_factory=list)
    """Secrets that were made; they can't be read again."""
