"""Ready-made policy rules to start from. Each is a set of rules like any other, to be changed freely."""

from typing import Any, NamedTuple


class Preset(NamedTuple):
    """A set of rules with a name and what it is for."""

    name: str
    title: str
    description: str
    rules: dict[str, Any]


PRESETS: tuple[Preset, ...] = (
    Preset(
        "no-shell",
        "No shell execution",
        "Denies tools that run commands.",
        {"tools": {"deny": [r"^shell\..*", "^bash$", "^exec$", "^run_command$"], "allow": None}},
    ),
    Preset(
        "nothing-kept-elsewhere",
        "Nothing kept elsewhere",
        "Denies prompts and contexts stored at a provider, whose tools and texts no rule can see.",
        {"tools": {"deny": ["^(stored_prompt|cached_content)$"], "allow": None}},
    ),
    Preset(
        "read-only-filesystem",
        "Read-only filesystem",
        "Denies tools that write, delete, move or change the mode of files.",
        {"tools": {"deny": [r"^filesystem\.(write|delete|chmod|move)$"], "allow": None}},
    ),
    Preset(
        "official-mcp",
        "Official MCP servers only",
        "Lets pass MCP servers of the reference namespaces; replace them by the ones you run.",
        {
            "mcp": {
                "deny": [],
                "allow": [
                    r"^(filesystem|fetch|git|github|memory|time|sequential-thinking)$",
                    r"^io\.modelcontextprotocol/",
                    r"^https://([a-z0-9-]+\.)*modelcontextprotocol\.io(/|$)",
                ],
            }
        },
    ),
    Preset(
        "internal-urls",
        "Internal addresses only",
        "Lets pass addresses of your own domain; put yours in the place of example.com.",
        {"urls": {"deny": [], "allow": [r"(?i)^https://([a-z0-9-]+\.)*example\.com([/:?#]|$)"]}},
    ),
    Preset(
        "no-legacy-models",
        "No legacy models",
        "Denies GPT-4 and GPT-4 Turbo.",
        {"models": {"deny": ["^gpt-4(-turbo)?$"], "allow": None}},
    ),
    Preset(
        "recommended",
        "Recommended",
        "Denies running commands in a shell and writing files by tools of those namespaces.",
        {"tools": {"deny": [r"^shell\.exec$", r"^filesystem\.write$"], "allow": None}},
    ),
)
