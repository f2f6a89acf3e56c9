"""Begins and ends browser sessions. Passwords are checked elsewhere; the session is a signed cookie."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from flask import Flask, session
from flask_login import login_user, logout_user

from core.clock import utcnow
from core.secrets import derive
from core.settings import Settings
from webapp.callers import SINCE, Viewer

LIFETIME = timedelta(days=7)


def install_sessions(app: Flask, settings: Settings) -> None:
    """Sign session cookies under a key that follows from the master key."""
    app.secret_key = derive(settings.master_key, "session cookies")
    app.config.update(
        SESSION_COOKIE_NAME="langwatch_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.web_url.startswith("https://"),
        PERMANENT_SESSION_LIFETIME=LIFETIME,
        # Pages poll; renewing at each answer would keep an open tab signed in for ever.
        SESSION_REFRESH_EACH_REQUEST=False,
    )


def begin(person: Viewer) -> None:
    """Sign a person in under a new session: nothing of the one before is kept, its form token neither."""
    session.clear()
    session.permanent = True
    session[SINCE] = int(utcnow().timestamp())
    login_user(person)


def end() -> None:
    """Sign out."""
    logout_user()
    session.clear()


def safe_next(target: str) -> str:
    """Return where to go after signing in: a path of ours, else the start."""
    parts = urlsplit(target)
    is_ours = not parts.scheme and not parts.netloc and target.startswith("/")
    return (
        target if is_ours and not target.startswith(("//", "/\\")) and "\\" not in target else "/"
    )
