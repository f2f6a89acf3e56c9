"""What a call will probably consume, judged before it is sent. Prices nothing and remembers no prompt.

The input follows from the body's size, a little too high on purpose. The output is the least of what the
caller allows, what this key and model used before, and a ceiling: a caller who names an absurd maximum must
not set the whole budget aside.
"""

from collections import OrderedDict

from rules.usage import Usage

BYTES_PER_TOKEN = 3.5
DEFAULT_OUTPUT_TOKENS = 4096
MAX_OUTPUT_TOKENS = 32_000
"""The most that is expected of one answer."""
MAX_ANSWERS = 128
"""How many answers a call may ask for at once, at any provider."""
ENOUGH_SAMPLES = 5
_KEPT_SAMPLES = 32
_MAX_SERIES = 10_000
_SHARED_EVERY = 8
_RANKED_EVERY = 4
"""A full series is ranked again after this many samples: a percentile of 32 moves no faster."""
ORDINARY_CALL = Usage(input_tokens=1000, output_tokens=1000)
"""The least that is held for a key's call to a model while neither has a history to go by."""
_MARGIN = 1.5
_MAX_OVERRUN = 100.0
_FADING = 0.98
"""What one call that kept to its estimate leaves of the margin: half of it is gone after 34 of them."""
_PERCENTILE = 0.95
_NEWEST_SHARE = 0.25


class OutputHistory:
    """How many output tokens an answer had lately, by key and model and by model alone. Bounded; oldest go first."""

    def __init__(self, max_series: int = _MAX_SERIES) -> None:
        self._max_series = max_series
        self._series: OrderedDict[tuple[str, str], _Series] = OrderedDict()

    def add(self, vk_id: str, model: str, output_tokens: int, overrun: float = 1.0) -> None:
        """Note what an answer of one completed call used, and how many times its estimate the call cost."""
        own = self._add((vk_id, model), output_tokens)
        if own.count <= _KEPT_SAMPLES or not own.count % _SHARED_EVERY:
            # What all keys used matters to keys without a history; a busy one need not tell it all.
            self._add(("", model), output_tokens)
        if own.margin > 1.0 or overrun > 1.0:
            own.note_overrun(overrun)

    def outlook(self, vk_id: str, model: str) -> tuple[int | None, float]:
        """Return what is to be expected of a key's call to a model: ``p95_tokens``, and a margin.

        The margin is by how much estimates of such calls fell short lately, a factor of at least 1:
        pictures behind a link, or prompts that a provider adds, cost far more than the body's size tells.
        """
        own = self._series.get((vk_id, model))
        if own is not None and len(own.samples) >= ENOUGH_SAMPLES:
            return own.p95_tokens, own.margin
        return self.p95_tokens(vk_id, model), 1.0 if own is None else own.margin

    def note_unseen(self, vk_id: str, model: str, tokens: int) -> None:
        """Note how many tokens of a streamed answer were billed and not shown: what a model thinks to itself."""
        for name in ((vk_id, model), ("", model)):
            series = self._series.get(name)
            if series is not None and (tokens or series.unseen_tokens):
                series.unseen_tokens += (tokens - series.unseen_tokens) * _NEWEST_SHARE

    def unseen_tokens(self, vk_id: str, model: str) -> int:
        """Return how many tokens an answer to the key, or to any, usually has that are not shown."""
        series = self._series.get((vk_id, model)) or self._series.get(("", model))
        return 0 if series is None else int(series.unseen_tokens)

    def _add(self, name: tuple[str, str], output_tokens: int) -> "_Series":
        series = self._series.get(name)
        if series is None:
            series = self._series[name] = _Series()
            if len(self._series) > self._max_series:
                self._series.popitem(last=False)
        else:
            self._series.move_to_end(name)
        series.add(output_tokens)
        return series

    def p95_tokens(self, vk_id: str, model: str) -> int | None:
        """Return what 95 percent of the key's calls to a model stay within; of all keys' when it has too few.

        None when even those are fewer than five.
        """
        for name in ((vk_id, model), ("", model)):
            series = self._series.get(name)
            if series is not None and len(series.samples) >= ENOUGH_SAMPLES:
                return series.p95_tokens
        return None


class _Series:
    __slots__ = ("count", "margin", "p95_tokens", "samples", "unseen_tokens")

    def __init__(self) -> None:
        self.unseen_tokens = 0.0
        self.margin = 1.0
        self.samples: list[int] = []
        self.p95_tokens = 0
        self.count = 0

    def note_overrun(self, overrun: float) -> None:
        if overrun > self.margin:
            self.margin = min(overrun, _MAX_OVERRUN)
        elif self.margin > 1.0:
            self.margin = max(1.0, overrun, self.margin * _FADING)

    def add(self, tokens: int) -> None:
        samples = self.samples
        if len(samples) < _KEPT_SAMPLES:
            samples.append(tokens)
        else:
            samples[self.count % _KEPT_SAMPLES] = tokens
        self.count += 1
        if self.count > _KEPT_SAMPLES and self.count % _RANKED_EVERY:
            return
        # Ranked here, where nobody waits, and not where a call is admitted.
        ordered = sorted(samples)
        self.p95_tokens = ordered[min(len(ordered) - 1, int(len(ordered) * _PERCENTILE))]


def estimate_usage(
    body_bytes: int, max_tokens: int | None, p95_tokens: int | None, answers: int = 1
) -> Usage:
    """Return the probable usage of a call that asks for so many answers.

    ``max_tokens`` is for each answer, and so is ``p95_tokens``, which is ``OutputHistory.p95_tokens`` for the call.
    """
    allowed = DEFAULT_OUTPUT_TOKENS if max_tokens is None else max(0, max_tokens)
    if p95_tokens is not None:
        usual = int(p95_tokens * _MARGIN) + 1
        # A caller without a maximum may well get more than the default: then the history alone decides.
        allowed = usual if max_tokens is None else min(allowed, usual)
    output = min(allowed, MAX_OUTPUT_TOKENS) * min(answers, MAX_ANSWERS)
    return Usage(int(body_bytes / BYTES_PER_TOKEN) + 1, output)
