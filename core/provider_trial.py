"""Tries a provider as it is entered: asks something small of it and says in words what came of it.

Runs where the control plane runs, through the guard of addresses, and needs no gateway. Nothing is stored.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import httpx

from core.outbound import AddressRefused, Answer, Reach, exchange
from core.provider_diagnosis import (
    Verdict,
    models_in,
    skew_seconds,
    verdict_on,
    verdict_on_error,
)
from core.provider_probes import Probe, Trial, probes_of
from core.provider_settings import read_credential, read_settings
from core.provider_tokens import (
    CALLS,
    ENTRA_SCOPE,
    FORM,
    GOOGLE_SCOPE,
    TokenRefused,
    read_token,
)
from core.secrets import Secret
from core.settings import Settings
from rules.provider_types import SANDBOX, TYPES, Proof

TRIAL_SECONDS = 8.0
_ANSWER_BYTES = 1_000_000
_SHOWN_MODELS = 5
_SKEW_NOTED_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a trial. ``code`` is ``ok`` or says what is wrong; ``said`` are the provider's own words."""

    code: str
    sentence: str
    advice: str
    said: str
    status: int | None
    milliseconds: int
    models: tuple[str, ...] = ()
    """What the provider lists; empty where it lists nothing."""
    notes: tuple[str, ...] = ()

    @property
    def is_ok(self) -> bool:
        """The provider can be used."""
        return self.code == "ok"


@dataclass(frozen=True, slots=True)
class Entered:
    """A provider as it is entered or stored, with its credential opened."""

    type: str
    base_url: str
    settings: dict[str, object]
    credential: Secret | None
    is_operator_address: bool


class _Failed(Exception):
    def __init__(self, verdict: Verdict, status: int | None = None) -> None:
        super().__init__(verdict.code)
        self.verdict = verdict
        self.status = status


def try_provider(
    entered: Entered, settings: Settings, utcnow: Callable[[], datetime], seconds: float = 0
) -> Tried:
    """Return what came of asking a provider. Takes up to a few times ``TRIAL_SECONDS``; raises nothing."""
    if entered.type == SANDBOX:
        return Tried("ok", "The sandbox is built in and always answers.", "", "", None, 0)
    begun = time.perf_counter()
    asking = _Asking(entered, settings, utcnow, seconds or TRIAL_SECONDS)
    try:
        sentence, status = asking.run(), asking.status
        code, advice, said = "ok", "", ""
    except _Failed as failed:
        verdict, status = failed.verdict, failed.status
        code, sentence, advice, said = verdict.code, verdict.sentence, verdict.advice, verdict.said
    took = round((time.perf_counter() - begun) * 1000)
    return Tried(code, sentence, advice, said, status, took, asking.models, tuple(asking.notes))


class _Asking:
    """One trial on its way."""

    def __init__(
        self,
        entered: Entered,
        settings: Settings,
        utcnow: Callable[[], datetime],
        seconds: float,
    ) -> None:
        self.status: int | None = None
        self.models: tuple[str, ...] = ()
        self.notes: list[str] = []
        self._entered = entered
        self._settings = settings
        self._utcnow = utcnow
        self._seconds = seconds
        self._trial = Trial(
            entered.type,
            entered.base_url,
            read_settings(entered.settings),
            read_credential(entered.credential),
        )

    def run(self) -> str:
        """Ask everything; return what to say when all is well. Raises _Failed."""
        self._trial = self._trial._replace(token=self._token())
        probes = probes_of(self._trial, self._utcnow())
        for probe in probes:
            answer = self._ask(probe)
            verdict = verdict_on(self._trial, probe, answer, self._utcnow())
            self._note_clock(answer)
            if verdict is not None:
                raise _Failed(verdict, answer.status)
            if probe.lists_models:
                self.models = models_in(answer.start)
        self._note_models()
        return self._praise(probes)

    def _praise(self, probes: list[Probe]) -> str:
        label = TYPES[self._trial.type].label
        about = [probe.about for probe in probes if probe.about]
        if self.models:
            listed = "one model" if len(self.models) == 1 else f"{len(self.models)} models"
            return f"{label} accepts the credential and lists {listed}."
        if about:
            return f"{label} accepts the credential and serves {', '.join(about)}."
        return f"{label} accepts the credential."

    def _ask(self, probe: Probe) -> Answer:
        return self._exchange(probe.method, probe.url, probe.headers, probe.body, self._reach())

    def _exchange(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, reach: Reach
    ) -> Answer:
        try:
            answer = exchange(method, url, headers, body, reach)
        except (AddressRefused, httpx.TransportError, RuntimeError, UnicodeError) as error:
            # A client that is closed because it takes too long in all raises RuntimeError.
            raise _Failed(verdict_on_error(error, url)) from None
        self.status = answer.status
        return answer

    def _reach(self, is_operator: bool | None = None) -> Reach:
        settings = self._settings
        return Reach(
            self._entered.is_operator_address if is_operator is None else is_operator,
            settings.allowed_private_networks,
            self._seconds,
            settings.upstream_ca_file,
            _ANSWER_BYTES,
            "LangWatch-Connection-Test/1.0",
        )

    def _token(self) -> str:
        """Return the access token of the account, empty for one that needs none. Raises _Failed."""
        trial, proof = self._trial, TYPES[self._trial.type].proof
        if proof is Proof.GOOGLE:
            issuer, scope = "google", GOOGLE_SCOPE
        elif proof is Proof.AZURE and trial.credential.parts:
            issuer, scope = "entra", ENTRA_SCOPE
        else:
            return ""
        now_s = self._utcnow().timestamp()
        try:
            call = CALLS[issuer](trial.credential, scope, self._settings, now_s)
            headers = {"Content-Type": FORM, "Accept": "application/json"}
            reach = self._reach(call.is_operator_address)
            answer = self._exchange("POST", call.url, headers, call.form, reach)
            self._note_clock(answer)
            return read_token(answer.status, answer.start).text
        except TokenRefused as refused:
            raise _Failed(_no_token(issuer, str(refused)), self.status) from None

    def _note_clock(self, answer: Answer) -> None:
        skew = skew_seconds(answer, self._utcnow())
        if abs(skew) > _SKEW_NOTED_SECONDS and not self.notes:
            way = "ahead of" if skew > 0 else "behind"
            self.notes.append(
                f"This machine's clock is {abs(skew) / 60:.0f} minutes {way} the provider's."
            )

    def _note_models(self) -> None:
        if not self.models:
            return
        known = set(self.models)
        declared = self._trial.settings.models
        unlisted = [m for m in declared if self._trial.settings.name_of(m) not in known]
        if unlisted:
            shown = ", ".join(unlisted[:_SHOWN_MODELS])
            self.notes.append(f"Declared, but not in the provider's list: {shown}.")


def _no_token(issuer: str, said: str) -> Verdict:
    if issuer == "google":
        sentence = "Google gives the service account no token."
        advice = (
            "The key may be deleted or the account disabled; a clock that is wrong does it too."
        )
        return Verdict("no_token", sentence, advice, said)
    sentence = "Entra gives the application no token."
    return Verdict(
        "no_token", sentence, "Check tenant, client id and secret, and its expiry.", said
    )
