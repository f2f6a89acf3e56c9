"""Token counts of one call, in classes that never overlap. Reading them off the wire is the dialects' work."""

from typing import NamedTuple


class Usage(NamedTuple):
    """What one call consumed, in tokens.

    ``input_tokens`` are the fresh ones only: cache reads and cache writes are counted in their own fields,
    whatever the provider's total includes. ``cache_write_tokens`` are the five-minute kind.
    Reasoning tokens are part of ``output_tokens``. The order is that of ``rules.pricing.Rates``.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0

    @property
    def prompt_tokens(self) -> int:
        """Every token that was read, cached or not; what price tiers are judged by."""
        return (
            self.input_tokens
            + self.cache_read_tokens
            + self.cache_write_tokens
            + self.cache_write_1h_tokens
        )
