"""What one web app holds for its lifetime. Views ask for it here; nothing is kept in modules."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, current_app

from core.lake import LakeReader, open_reader
from core.sealing import database_sealer
from core.secrets import Sealer, sealer_for
from core.settings import Settings
from webapp.feed import ChangeFeed
from webapp.openid import OpenIdProviders
from webapp.rate import FixedWindow

DELIVERIES_A_MINUTE = 60
SIGN_INS_A_MINUTE = 30
API_CALLS_A_MINUTE = 600


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """Settings and everything made from them once."""

    settings: Settings
    sealer: Sealer
    """Opens and seals what the control database holds."""
    bundle_sealer: Sealer
    """Seals credentials for the gateway."""
    lake: LakeReader
    feed: ChangeFeed
    deliveries: FixedWindow
    sign_ins: FixedWindow
    api_calls: FixedWindow
    """By API key."""
    openid: OpenIdProviders


def install_state(app: Flask, settings: Settings) -> ControlPlane:
    """Make the web app's state and hang it on ``app``."""
    control_plane = ControlPlane(
        settings=settings,
        sealer=database_sealer(settings),
        bundle_sealer=sealer_for(settings.internal_secret, "bundle"),
        lake=open_reader(settings),
        feed=ChangeFeed(),
        deliveries=FixedWindow(DELIVERIES_A_MINUTE, 60),
        sign_ins=FixedWindow(SIGN_INS_A_MINUTE, 60),
        api_calls=FixedWindow(API_CALLS_A_MINUTE, 60),
        openid=OpenIdProviders(),
    )
    app.extensions["control_plane"] = control_plane
    app.extensions["settings"] = settings
    app.extensions["lake_reader"] = control_plane.lake
    return control_plane


def control_plane() -> ControlPlane:
    """Return the state of the app that answers this request."""
    found: ControlPlane = current_app.extensions["control_plane"]
    return found
