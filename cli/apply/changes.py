"""Carries out what a document declares, in one transaction, and says what that created and changed.

Only ``core.authoring`` writes; this decides which of its functions to call. A dry run does everything and
then undoes it, so that its plan is exactly what would happen.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import chain
from typing import Any

from peewee import fn

from cli.apply import catalog, checks, identity_changes
from cli.apply.entries import Mistake, Mistakes
from cli.apply.identity import Identity, Organization, Team
from cli.apply.references import declared, references
from cli.apply.result import Item, Keys, Result
from cli.apply.routing import RoutingPolicy, work_of
from cli.apply.shape import Budget, Document, Provider, Rule, Source, VirtualKey
from core.authoring import (
    anomaly_rules,
    budgets,
    ingestion_sources,
    organizations,
    providers,
    virtual_keys,
)
from core.authoring.actor import Actor
from core.database import transaction
from core.fault import Refused
from core.models import AuditRow
from core.secrets import Secret, peppered_hashes


class _Undo(Exception):
    """Ends the transaction without keeping anything."""


def carry_out(document: Document, keys: Keys, now: datetime, is_dry: bool = False) -> Result:
    """Apply a document in one transaction. Raises Mistakes, and then nothing has changed."""
    result = Result()
    try:
        with transaction():
            applying = _Applying(_organization(document, now), keys, now, result)
            applying.run(document)
            if applying.mistakes:
                raise Mistakes(applying.mistakes)
            if is_dry:
                raise _Undo
    except _Undo:
        pass
    return result


def _organization(document: Document, now: datetime) -> tuple[str, Organization | None, bool]:
    """Return the organization's id, what the file says of it, and whether it was made just now."""
    there, wanted = organizations.only(), document.organization
    if there is not None:
        is_other = wanted is not None and wanted.slug != there.slug
        if wanted is not None and is_other and not organizations.may_choose_slug(there):
            sentence = (
                f"this control plane belongs to the organization `{there.slug}`; "
                f"a file for `{wanted.slug}` is not applied to it"
            )
            raise Mistakes([*document.mistakes, Mistake(wanted.line, sentence)])
        return there.id, wanted, False
    if wanted is None:
        sentence = "there is no organization yet: declare one"
        raise Mistakes([*document.mistakes, Mistake(1, sentence)])
    if document.mistakes:
        # Nothing is going to be applied; what the entries refer to is still looked up.
        return "", wanted, True
    try:
        return organizations.create(wanted.name, wanted.slug, now).id, wanted, True
    except Refused as refusal:
        item = Item("organization", wanted.slug)
        raise Mistakes(_sentences(item, wanted.line, refusal)) from None


def _sentences(item: Item, line: int, refusal: Refused) -> list[Mistake]:
    errors = refusal.facts.get("errors")
    sentences = (
        [f"{item}: {name}: {sentence}" for name, sentence in errors.items()]
        if isinstance(errors, dict)
        else [f"{item}: {refusal.message or refusal.fault.hint}"]
    )
    return [Mistake(line, sentence) for sentence in sentences]


class _Applying:
    """One run over one document, inside one transaction."""

    def __init__(
        self,
        organization: tuple[str, Organization | None, bool],
        keys: Keys,
        now: datetime,
        result: Result,
    ) -> None:
        self._organization_id, self._wanted, self._is_new = organization
        self._actor = Actor(self._organization_id, "apply", "cli")
        self._keys = keys
        self._now = now
        self.result = result
        self.mistakes: list[Mistake] = []

    def run(self, document: Document) -> None:
        """Apply every entry, in the order in which they may refer to each other."""
        self.mistakes += document.mistakes
        self._check_references(document)
        if self.mistakes:
            return
        if self._wanted is not None:
            self._organization(self._wanted)
        told = document
        self._identities(told.departments, told.custom_roles, told.teams, told.users)
        self._team_members(told.teams)
        self._identities(told.projects, told.groups, told.service_accounts)
        self._identities(told.role_bindings, told.sign_in, told.invitations)
        for provider in document.providers:
            self._provider(provider)
        for policy in document.routing_policies:
            self._routing_policy(policy)
        for checked in document.checks_before_keys:
            self._checked(checked)
        for key in document.virtual_keys:
            self._virtual_key(key)
        for cache_rule in document.cache_rules:
            self._checked(cache_rule)
        for source in document.ingestion_sources:
            self._source(source)
        for budget in document.budgets:
            self._budget(budget)
        for rule in document.anomaly_rules:
            self._rule(rule)

    def _check_references(self, document: Document) -> None:
        names = declared(document)
        for reference in references(document):
            is_known = reference.name in names[reference.kind] or self._id(
                reference.kind, reference.name
            )
            if reference.name and not is_known:
                sentence = f"there is no {reference.kind} `{reference.name}`, here or in the file"
                self.mistakes.append(Mistake(reference.line, sentence))

    def _id(self, kind: str, name: str) -> str | None:
        return catalog.id_of(self._organization_id, kind, name)

    def _step(self, item: Item, line: int, work: Callable[[], object], existed: bool) -> None:
        """Do one thing and note its fate: what changed something left a row in the audit log."""
        before = self._newest_audit_row()
        try:
            work()
        except Refused as refusal:
            self._refused(item, line, refusal)
            return
        is_changed = self._newest_audit_row() != before
        verb = ("changed" if existed else "created") if is_changed else "unchanged"
        self.result.steps.append((verb, item))

    def _newest_audit_row(self) -> int:
        mine = AuditRow.organization_id == self._organization_id
        return int(AuditRow.select(fn.MAX(AuditRow.id)).where(mine).scalar() or 0)

    def _refused(self, item: Item, line: int, refusal: Refused) -> None:
        self.mistakes += _sentences(item, line, refusal)

    def _organization(self, wanted: Organization) -> None:
        item = Item("organization", wanted.slug)
        if self._is_new:
            self.result.steps.append(("created", item))
            try:
                identity_changes.set_up(self._actor, wanted, self._keys, self._now)
            except Refused as refusal:
                self._refused(item, wanted.line, refusal)
            return

        def work() -> None:
            identity_changes.set_up(self._actor, wanted, self._keys, self._now)

        self._step(item, wanted.line, work, True)

    def _identities(self, *kinds: Iterable[Identity]) -> None:
        for told in chain.from_iterable(kinds):
            name = identity_changes.name_of(told)
            work = identity_changes.work_of(told, self._id, self._keys)
            if work is not None:
                existed = (
                    self._id(told.kind, name) is not None if told.kind in catalog.KINDS else False
                )
                self._identity_step(Item(told.kind, name), told.line, work, existed)

    def _identity_step(
        self, item: Item, line: int, work: identity_changes.Work, existed: bool
    ) -> None:
        def do() -> None:
            secret = work(self._actor, self._now)
            if secret is not None:
                self.result.secrets.append((item, secret))

        self._step(item, line, do, existed)

    def _team_members(self, teams: Iterable[Team]) -> None:
        for team in teams:
            work = identity_changes.members_of(team, self._id) if team.members else None
            if work is not None:
                self._identity_step(Item("members of team", team.slug), team.line, work, False)

    def _provider(self, provider: Provider) -> None:
        provider_id = self._id("provider", provider.name)
        new = providers.NewProvider(
            provider.name,
            provider.type,
            provider.base_url,
            provider.credential,
            is_operator_address=provider.type != providers.SANDBOX,
            settings=provider.settings,
            rate_limits=provider.rate_limits,
        )

        def work() -> None:
            if provider_id is None:
                providers.create(self._actor, new, self._keys.sealer, self._now)
            else:
                providers.update(self._actor, provider_id, new, self._keys.sealer, self._now)

        item = Item("provider", provider.name)
        self._step(item, provider.line, work, provider_id is not None)

    def _routing_policy(self, policy: RoutingPolicy) -> None:
        work = work_of(policy, self._scope_id(policy.scope, policy.target), self._id)
        if work is None:
            return  # what it names was refused, which is reported there
        existed = self._id("routing policy", policy.name) is not None
        item = Item("routing policy", policy.name)
        self._step(item, policy.line, lambda: work(self._actor, self._now), existed)

    def _checked(self, told: checks.Checked) -> None:
        scope_id = self._scope_id(told.scope, told.target)
        work = checks.work_of(told, scope_id, self._id, self._keys.sealer)
        if work is None:
            return  # what it names was refused, which is reported there
        existed = self._id(told.kind, told.name) is not None
        item = Item(told.kind, told.name)
        self._step(item, told.line, lambda: work(self._actor, self._now), existed)

    def _virtual_key(self, key: VirtualKey) -> None:
        project_id = self._id("project", key.project)
        provider_ids = [self._id("provider", name) for name in key.providers]
        person_id = self._id("user", key.principal) if key.principal else None
        policy_id = self._id("routing policy", key.routing_policy) if key.routing_policy else None
        has_all = person_id is not None or not key.principal
        has_all = has_all and (policy_id is not None or not key.routing_policy)
        if project_id is None or None in provider_ids or not has_all:
            return  # what it refers to was refused, which is reported there
        row = catalog.find(self._organization_id, "virtual key", key.name)
        known = tuple(i for i in provider_ids if i is not None)
        config = checks.with_guardrail_ids(key.config, self._id) | {"routing_policy_id": policy_id}
        new = virtual_keys.NewVirtualKey(
            key.name, project_id, known, person_id, tags=key.tags, config=config
        )
        item = Item("virtual key", key.name)

        def work() -> None:
            pepper = self._keys.pepper
            if row is None:
                made = virtual_keys.create(self._actor, new, pepper, self._now, key.secret)
                self._note_secret(item, key.secret, made[1])
                return
            virtual_keys.update(self._actor, row.id, new, self._now)
            if key.secret is not None and _differs(row, pepper, key.secret):
                virtual_keys.rotate(self._actor, row.id, pepper, self._now, key.secret)

        self._step(item, key.line, work, row is not None)

    def _note_secret(self, item: Item, given: Secret | None, made: Secret) -> None:
        if given is None:
            self.result.secrets.append((item, made))

    def _source(self, source: Source) -> None:
        row = catalog.find(self._organization_id, "ingestion source", source.name)
        item = Item("ingestion source", source.name)
        new = ingestion_sources.NewSource(
            source.type,
            source.name,
            source.description,
            self._id("team", source.team) if source.team else None,
            source.parser_config,
        )

        def work() -> None:
            pepper = self._keys.pepper
            if row is None:
                made = ingestion_sources.create(self._actor, new, pepper, self._now, source.secret)
                self._note_secret(item, source.secret, made[1])
                return
            source_id = row.id
            ingestion_sources.update(self._actor, source_id, new, self._now)
            if source.secret is not None and _differs(row, pepper, source.secret):
                ingestion_sources.rotate(self._actor, source_id, pepper, self._now, source.secret)

        self._step(item, source.line, work, row is not None)

    def _budget(self, budget: Budget) -> None:
        scope_id = self._scope_id(budget.scope, budget.target)
        provider_id = self._id("provider", budget.provider) if budget.provider else None
        if scope_id is None or (budget.provider and provider_id is None):
            return  # what it limits was refused, which is reported there
        new = budgets.NewBudget(
            budget.name,
            budget.scope,
            scope_id,
            budget.window,
            budget.limit_nanousd,
            budget.on_breach,
            budget.on_unpriced,
            budget.on_outage,
            provider_id,
            budget.cycle_anchor_at,
            # A file may well declare a budget before the keys that it is for.
            allow_unreachable=True,
        )
        budget_id = self._id("budget", budget.name)

        def work() -> None:
            if budget_id is None:
                budgets.create(self._actor, new, self._now)
            else:
                budgets.update(self._actor, budget_id, new, self._now)

        self._step(Item("budget", budget.name), budget.line, work, budget_id is not None)

    def _rule(self, rule: Rule) -> None:
        scope_id = self._scope_id(rule.scope, rule.target)
        if scope_id is None:
            return  # what it watches was refused, which is reported there
        new = anomaly_rules.NewRule(
            rule.name,
            rule.severity,
            rule.type,
            rule.scope,
            scope_id,
            rule.threshold,
            list(rule.destinations),
            rule.description,
            is_operator=True,
        )
        rule_id = self._id("anomaly rule", rule.name)

        def work() -> None:
            sealer = self._keys.sealer
            if rule_id is None:
                made = anomaly_rules.create(self._actor, new, sealer, self._now).id
            else:
                made = anomaly_rules.update(self._actor, rule_id, new, sealer, self._now).id
            anomaly_rules.set_status(self._actor, made, rule.status, self._now)

        self._step(Item("anomaly rule", rule.name), rule.line, work, rule_id is not None)

    def _scope_id(self, scope: str, target: str) -> str | None:
        if scope == "organization":
            return self._organization_id
        if scope == "source_type":
            return target
        kinds = {"virtual_key": "virtual key", "principal": "user", "source": "ingestion source"}
        return self._id(kinds.get(scope, scope), target)


def _differs(row: Any, pepper: Secret, secret: Secret) -> bool:
    return bool(row.secret_hash not in peppered_hashes(pepper, secret.reveal()))
