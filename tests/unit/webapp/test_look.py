"""The stylesheet, the icons and the vendored script: what can be checked without a browser."""

import itertools
import re
from pathlib import Path

import pytest

WEBAPP = Path(__file__).parents[3] / "webapp"
STATIC = WEBAPP / "static"
CSS = (STATIC / "app.css").read_text()
TEMPLATES = sorted((WEBAPP / "templates").glob("*.html"))
TOKENS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", CSS)
}
TEXT_ON = [
    *(
        (text, ground)
        for text in ("text", "muted", "faint")
        for ground in ("bg", "surface", "sunken")
    ),
    *((text, "hover") for text in ("text", "muted")),
    *(
        (f"{tone}-text", ground)
        for tone in ("accent", "positive", "critical", "info", "warning")
        for ground in ("surface", f"{tone}-soft")
    ),
    ("preview-text", "preview-soft"),
    ("on-accent", "accent"),
    ("on-accent", "accent-hover"),
    ("on-critical", "critical"),
    ("on-warning", "warning"),
    ("muted", "info-soft"),
    ("muted", "warning-soft"),
    ("muted", "critical-soft"),
    ("muted", "positive-soft"),
    ("text", "accent-soft"),
]
SHAPES_ON = [
    ("field-line", "surface"),
    ("accent", "surface"),
    ("accent", "bg"),
    *((f"series-{n}", "surface") for n in range(8)),
    ("series-rest", "surface"),
]


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXT_ON)
def test_text_stands_out_from_its_ground(text: str, ground: str, theme: int) -> None:
    assert _contrast(TOKENS[text][theme], TOKENS[ground][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("shape", "ground"), SHAPES_ON)
def test_shapes_that_carry_meaning_stand_out_from_their_ground(
    shape: str, ground: str, theme: int
) -> None:
    assert _contrast(TOKENS[shape][theme], TOKENS[ground][theme]) >= 3


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_severities_differ_in_lightness_and_not_only_in_hue(theme: int) -> None:
    grounds = sorted(_luminance(TOKENS[name][theme]) for name in ("critical", "warning", "surface"))
    for low, high in itertools.pairwise(grounds):
        assert (high + 0.05) / (low + 0.05) >= 1.5


def test_every_token_that_is_used_is_defined_once() -> None:
    defined = re.findall(r"^\s+--([\w-]+):", CSS.partition("/* ---------- Elements")[0], re.M)
    local = {"tone", "plot-height"}
    assert len(defined) == len(set(defined))
    assert set(re.findall(r"var\(--([\w-]+)", CSS)) - local <= set(defined)


def test_colours_stand_in_tokens_alone() -> None:
    rules = CSS.partition("/* ---------- Elements")[2]
    assert re.findall(r"#[0-9a-f]{3,8}\b|rgb\(|hsl\(", rules) == []


def test_every_icon_that_is_named_is_in_the_sprite() -> None:
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (STATIC / "icons.svg").read_text()))
    text = "".join(path.read_text() for path in TEMPLATES)
    named = set(re.findall(r'ui\.icon(?:_button)?\("([\w-]+)"', text))
    named |= set(re.findall(r'icon_name="([\w-]+)"', text))
    assert named
    assert named <= drawn


def test_htmx_is_the_version_its_folder_says_and_carries_its_licence() -> None:
    (folder,) = (STATIC / "vendor").glob("htmx-*")
    script = (folder / "htmx.min.js").read_text()
    assert f'version="{folder.name.removeprefix("htmx-")}"' in script
    assert "Zero-Clause BSD" in (folder / "LICENSE").read_text()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_nothing_that_the_content_policy_forbids(template: Path) -> None:
    text = template.read_text()
    assert re.findall(r"\sstyle=|\son[a-z]+=|hx-on|javascript:|js:|hx-vals='js", text) == []
    assert re.findall(r"<script(?![^>]*\ssrc=)", text) == []
    assert re.findall(r"hx-trigger=\"[^\"]*\[", text) == []


def test_only_the_one_stylesheet_and_the_own_scripts_are_loaded_and_none_from_elsewhere() -> None:
    for template in TEMPLATES:
        addresses = re.findall(r'(?:src|href)="(https?:)', template.read_text())
        assert addresses == []
