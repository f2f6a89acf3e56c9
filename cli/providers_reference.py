"""The reference page of provider types, from the tables that gateway and control plane work by."""

from proxy.providers.claude_bodies import BETAS
from rules.provider_types import COMMON_SETTINGS, SPELLINGS, TYPES, Proof

_PROOFS = {
    Proof.NOTHING: "none",
    Proof.KEY: "key",
    Proof.OPTIONAL_KEY: "key, or none",
    Proof.AZURE: "key, or `tenant_id`, `client_id`, `client_secret`",
    Proof.AWS: "`access_key`, `secret_key`, `session_token`; or a Bedrock API key",
    Proof.GOOGLE: "the JSON file of a service account's key",
}


def providers_page(generated: str) -> str:
    """Return the page that lists every provider type and what becomes of Anthropic's betas at the clouds."""
    common = ", ".join(f"`{name}`" for name in COMMON_SETTINGS)
    lines = [
        "# Providers\n",
        generated,
        "What to enter for each, and what can go wrong, says [Add a provider](../howto/providers.md). Every type but",
        f"the sandbox has the settings {common} beside its own; those in bold are needed.\n",
        "| Type | Provider | Default address | Credential | Own settings |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in TYPES.values():
        own = [f"**`{n}`**" if n in row.needed_settings else f"`{n}`" for n in row.own_settings]
        address = f"`{row.base_url}`" if row.base_url else "has to be given"
        cells = (f"`{row.name}`", row.label, address, _PROOFS[row.proof], ", ".join(own) or "–")
        lines.append(f"| {' | '.join(cells)} |")
    spelled = ", ".join(f"`{word}` for `{name}`" for word, name in SPELLINGS.items())
    lines += [
        f"\nBefore the slash of a model other spellings count too: {spelled}.\n",
        "## Anthropic's betas at the clouds\n",
        "A beta that a cloud does not know fails the whole request there. So these families, named without their",
        "date, are left out or renamed, and the members of the body that belong to a beta go with it. All others",
        "pass under their own names.\n",
        "| Family | Bedrock | Vertex | Members |",
        "| --- | --- | --- | --- |",
    ]
    for family, fate in BETAS.items():
        told = [f"`{name}`" if name else "left out" for name in (fate.bedrock, fate.vertex)]
        members = ", ".join(f"`{name}`" for name in fate.members) or "–"
        lines.append(f"| `{family}` | {told[0]} | {told[1]} | {members} |")
    return "\n".join(lines) + "\n"
