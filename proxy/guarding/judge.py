"""Applies the guardrails of one direction to texts: what is replaced, what ends the call, what is noted.

A text that a guardrail blocks, and a guardrail that fails closed, raise; so nothing can pass by accident.
"""

from collections.abc import Sequence
from typing import Any

from core.fault import Fault, Refused
from proxy.checks import Check
from proxy.guarding.evaluator import EvaluatorAway, Question, ask
from proxy.transport.upstream import UpstreamPool
from rules.guardrails.hold_back import Window
from rules.guardrails.matches import Match, Verdict, merged, redacted
from rules.guardrails.texts import Text
from rules.guardrails.types import REQUEST, Guard, difference

_MAX_FOUND = 8
_WORSE = (Verdict.PASS, Verdict.MODIFY, Verdict.NOT_EVALUATED, Verdict.ERROR, Verdict.BLOCK)


class Judge:
    """The guardrails of one direction on one call. ``entries`` are facts of the call, kept up to date."""

    def __init__(
        self, direction: str, checks: Sequence[Check], pool: UpstreamPool, about: dict[str, Any]
    ) -> None:
        self._direction = direction
        self._checks = checks
        self._pool = pool
        self._about = about
        self.entries = [
            {"id": c.guard.id, "direction": direction, "verdict": Verdict.NOT_EVALUATED.value}
            for c in checks
        ]
        self.not_applied: list[str] = []
        """``id:reason`` of what was passed although a guardrail could not look at it."""
        self._noted: set[int] = set()
        self.asks = any(check.asks for check in checks)
        self.window_characters = max(c.guard.window_characters for c in checks)
        self.overlap_characters = max(c.guard.overlap_characters for c in checks)

    def unreadable(self, reason: str) -> None:
        """Say that texts could not be read. Raises Refused unless every guardrail fails open."""
        for number, check in enumerate(self._checks):
            self._fail(number, check, Verdict.NOT_EVALUATED, reason)

    def too_large(self) -> Refused:
        """Return the refusal of what is too large to be judged, whatever fails open: it can't be kept."""
        for number in range(len(self._checks)):
            self._note(number, Verdict.NOT_EVALUATED)
        return Refused(
            Fault.GUARDRAIL_BLOCKED,
            f"The {self._what} is too large to be judged by its guardrails.",
        )

    def conclude(self) -> None:
        """Say that all has been looked at: where there was no text, there was nothing to object to."""
        for number in range(len(self._checks)):
            if number not in self._noted:
                self._note(number, Verdict.PASS)

    def texts(self, texts: Sequence[Text]) -> dict[int, str]:
        """Return what becomes of texts, by their place in the list, as far as no evaluator is to be asked.

        Raises Refused.
        """
        changed: dict[int, str] = {}
        for number, check in enumerate(self._checks):
            if not check.asks and self._is_usable(number, check):
                before = 0
                for place, text in enumerate(texts):
                    current = changed.get(place, text.text)
                    found = self._found(number, check.guard, current, before, text.is_signed)
                    before += len(text.text)
                    if found:
                        changed[place] = redacted(current, found)
        return changed

    async def texts_asked(self, texts: Sequence[Text], changed: dict[int, str]) -> None:
        """Ask the evaluators about texts as changed so far, and change them further. Raises Refused."""
        for number, check in enumerate(self._checks):
            if check.evaluator is None or not texts:
                continue
            now = [changed.get(place, text.text) for place, text in enumerate(texts)]
            answer = await self._asked(number, check, now, [text.place for text in texts])
            for place, text in enumerate(answer):
                if text != now[place]:
                    self._may_change(number, check.guard, texts[place].is_signed)
                    changed[place] = text

    def window(self, window: Window) -> list[Match]:
        """Return what is to be replaced in a window of a stream. Raises Refused."""
        found: list[Match] = []
        for number, check in enumerate(self._checks):
            if not check.asks and self._is_usable(number, check):
                found += self._found(
                    number,
                    check.guard,
                    window.text,
                    window.before,
                    window.is_signed,
                    window.context,
                )
        return merged(found)

    async def window_asked(self, window: Window) -> list[Match]:
        """The same, and ask the evaluators about what is new in the window. Raises Refused."""
        found = self.window(window)
        new = window.text[window.context :]
        inside = [
            m._replace(
                start=max(m.start, window.context) - window.context, end=m.end - window.context
            )
            for m in found
            if m.end > window.context
        ]
        cleaned = current = redacted(new, inside)
        for number, check in enumerate(self._checks):
            if check.evaluator is None:
                continue
            (answer,) = await self._asked(number, check, [current], ["stream"])
            if answer != current:
                self._may_change(number, check.guard, window.is_signed)
                current = answer
        if current == cleaned:
            return found
        return [
            m._replace(start=m.start + window.context, end=m.end + window.context)
            for m in difference(new, current)
        ]

    def _found(
        self, number: int, guard: Guard, text: str, before: int, is_signed: bool, context: int = 0
    ) -> list[Match]:
        found = [match for match in guard.search(text, before) if match.end > context]
        if not found:
            self._note(number, Verdict.PASS)
            return []
        if guard.action == "block":
            raise self._blocked(number, guard, [match.label for match in found])
        self._may_change(number, guard, is_signed)
        return found

    def _may_change(self, number: int, guard: Guard, is_signed: bool) -> None:
        if is_signed:
            # A changed text would be refused by the provider that signed it, one turn later and for no
            # reason that anybody could see.
            raise self._blocked(number, guard, ["SIGNED_TEXT"])
        self._note(number, Verdict.MODIFY)

    def _is_usable(self, number: int, check: Check) -> bool:
        if check.problem:
            self._fail(number, check, Verdict.ERROR, "broken")
        return not check.problem

    async def _asked(
        self, number: int, check: Check, texts: list[str], places: list[str]
    ) -> list[str]:
        if check.evaluator is None:
            raise RuntimeError("only an evaluator is asked")
        question = Question(check.guard.id, self._direction, self._about, texts, places)
        try:
            answer = await ask(self._pool, check.evaluator, question)
        except EvaluatorAway as error:
            self._fail(number, check, Verdict.ERROR, error.reason)
            return texts
        if answer.texts is not None and check.guard.action == "redact":
            return answer.texts
        if answer.is_blocked or answer.texts is not None:
            raise self._blocked(number, check.guard, [], answer.reason)
        self._note(number, Verdict.PASS)
        return texts

    def _fail(self, number: int, check: Check, verdict: Verdict, reason: str) -> None:
        self._note(number, verdict)
        guard = check.guard
        if guard.fails_open:
            self.entries[number]["fail_open"] = reason
            note = f"{guard.id}:{reason}"
            if note not in self.not_applied:
                self.not_applied.append(note)
            return
        facts = {"guardrail": guard.name, "guardrail_id": guard.id}
        if verdict is Verdict.NOT_EVALUATED:
            sentence = (
                f'The guardrail "{guard.name}" can\'t read the {self._what}, so it does not pass.'
            )
            raise Refused(Fault.GUARDRAIL_BLOCKED, sentence, **facts)
        sentence = f'The guardrail "{guard.name}" could not be applied ({reason}).'
        raise Refused(Fault.GUARDRAIL_UPSTREAM_UNAVAILABLE, sentence, **facts)

    def _blocked(
        self, number: int, guard: Guard, labels: Sequence[str], reason: str = ""
    ) -> Refused:
        self._note(number, Verdict.BLOCK)
        found = list(dict.fromkeys(labels))[:_MAX_FOUND]
        why = reason or ", ".join(found)
        sentence = f'The guardrail "{guard.name}" blocked the {self._what}' + (
            f": {why}." if why else "."
        )
        return Refused(
            Fault.GUARDRAIL_BLOCKED,
            sentence,
            guardrail=guard.name,
            guardrail_id=guard.id,
            found=found,
        )

    @property
    def _what(self) -> str:
        return "request" if self._direction == REQUEST else "answer"

    def _note(self, number: int, verdict: Verdict) -> None:
        entry = self.entries[number]
        is_worse = _WORSE.index(verdict) > _WORSE.index(Verdict(entry["verdict"]))
        if is_worse or number not in self._noted:
            entry["verdict"] = verdict.value
        self._noted.add(number)
