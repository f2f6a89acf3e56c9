"""What filing a request for a higher budget comes with, on pages and in the API. It files and decides none."""

from __future__ import annotations

from core.authoring import budgets, organizations
from core.fault import Fault, Refused
from core.models import Budget, BudgetIncrease
from webapp import letters, slack
from webapp.callers import Viewer
from webapp.page_models.budgets import increase_row
from webapp.places import homes_of, place_of_budget
from webapp.queries.approvers import approvers

REQUESTS = "/gateway/budget-requests"
"""The page on which requests are decided."""


def own_budget(who: Viewer, budget_id: str) -> Budget:
    """Return a budget that stands at whoever asks. Raises Refused(NOT_FOUND)."""
    budget = budgets.find(who.organization_id, budget_id)
    if (budget.scope, budget.scope_id) != ("principal", who.user_id):
        raise Refused(Fault.NOT_FOUND, "There is no such budget of yours.")
    return budget


def requester_of(who: Viewer) -> str:
    """Return how the approver reads who asks."""
    return f"{who.name} ({who.email})"


def tell_approvers(row: BudgetIncrease) -> None:
    """Tell those who may decide a request that it waits for them: by mail, and in Slack where that is set up."""
    budget = budgets.find(row.organization_id, row.budget_id)
    place = place_of_budget(budget, *homes_of([budget]))
    asked = increase_row(row, budget.name)
    slack.post_increase(organizations.find(row.organization_id), asked, REQUESTS)
    letters.mail_increase_quietly(
        approvers(row.organization_id, place), asked.budget, asked.requester, asked.wanted,
        asked.until, asked.reason, REQUESTS,
    )  # fmt: skip
