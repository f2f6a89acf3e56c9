"""Writes the reference page about translation from the tables that the gateway translates by."""

from proxy.translation.rules import CLIENTS, TABLE, TITLES, WIRES, Fate, Rule
from proxy.translation.thinking import GEMINI_BUDGETS, GEMINI_LEVELS, LEAST_BUDGET, RATIOS
from rules.output_limits import MAXIMA, USUAL

_CONTENTS = (
    (
        "Instructions amid the messages (`system`, `developer`)",
        "Stay where they are in OpenAI chat; elsewhere they join the instructions in front.",
    ),
    (
        "The first system block of Claude Code, `x-anthropic-billing-header: …`",
        "Left out silently: it differs from call to call and would spoil the prompt cache.",
    ),
    (
        "Images",
        "By value everywhere. By address to OpenAI, Anthropic and Gemini; Bedrock takes none but `s3://`.",
    ),
    (
        "Documents",
        "PDF and plain text everywhere; to OpenAI chat by value only; other types to Gemini and Bedrock.",
    ),
    (
        "Files kept by a provider (`file_id`)",
        "Refused: what one provider keeps another can't read. Gemini's `fileData` is an address.",
    ),
    ("Sounds, films", "Gemini takes both; OpenAI chat takes sounds by value; others refuse."),
    (
        "Results of tools",
        "Text everywhere. Images in them follow in the same turn where a result can't hold them (OpenAI "
        "chat, Gemini). That a result is an error is said to Anthropic, Gemini and Bedrock; OpenAI has no word.",
    ),
    (
        "Names of tools",
        "Longer than the provider allows (64 characters, Anthropic 128): shortened there, restored in the answer.",
    ),
    (
        "`cache_control` on blocks and tools",
        "Becomes a `cachePoint` for Claude and Nova on Bedrock; left out silently elsewhere, where caching "
        "is automatic.",
    ),
    (
        "`defer_loading`, `citations`, `allowed_callers`",
        "Left out silently: every tool is offered at once.",
    ),
    (
        "What a provider's own tools did in earlier turns",
        "Dropped and named in the header; the words that followed them stay.",
    ),
    (
        "Free-text tools, `namespace` tools and `additional_tools` of Responses",
        "Free text becomes a function of one text, `input`, and its calls come back as `custom_tool_call`. "
        "A tool of a namespace is called `namespace__name` and comes back with its `namespace`.",
    ),
    (
        "Other items of Responses (`item_reference`, `compaction`, calls of OpenAI's own tools)",
        "Refused: without them the conversation is not the same.",
    ),
)
_SEALS = (
    (
        "Claude's `signature` and `redacted_thinking`",
        "To OpenAI chat clients in `thinking_blocks` of the message (on a stream in a delta of its own, when "
        "the block ends). To Gemini clients in the `thoughtSignature` of a part with `thought: true`. To "
        "Responses clients in `encrypted_content` of a `reasoning` item. Sent back unaltered, they reach "
        "Claude again, on Anthropic's API and on Bedrock.",
    ),
    (
        "Gemini's `thoughtSignature` of a call",
        "To OpenAI chat clients in `extra_content.google.thought_signature` of the call, as Google's own "
        "compatible endpoint has it. To Anthropic clients in the `signature` of an empty `thinking` block "
        "before the call, to Responses clients in a `reasoning` item before it. Gemini 3 demands one; a call "
        "without gets `skip_thought_signature_validator`, which Google documents for this.",
    ),
    (
        "Gemini's `thoughtSignature` of plain text",
        "Dropped: it is not demanded back.",
    ),
    (
        "OpenAI's `encrypted_content`",
        "Dropped: OpenAI alone can read it, and no translation leads to the Responses API.",
    ),
    (
        "Thinking without a proof (`reasoning_content` of open models)",
        "Told to clients as thinking; dropped from requests.",
    ),
)


def translation_page() -> str:
    """Return the page about what is translated, and how."""
    lines = [
        "# Translation between dialects\n",
        "<!-- Written by `python -m cli.reference`; edit the code, not this page. -->\n",
        "A call goes to a provider in the dialect it came in, byte for byte, whenever the provider speaks",
        "it. Only where it does not is the request translated, and the answer back. Clients may speak",
        f"{_listed([TITLES[c] for c in CLIENTS])}; providers",
        f"{_listed([TITLES[w] for w in WIRES])}.\n",
        "What both dialects can say arrives. What only the client's can say has a fate below: *dropped*",
        "parameters are left out and named in the header `X-LangWatch-Params-Dropped` and in",
        "`extra_fields.params_dropped` of the answer (on a stream where the usage is told; not in Gemini's",
        "dialect); *refused* ones answer 400 `unsupported_parameter`; *silent* ones are left out without a",
        'word. With `"drop_tuning_params": false` in the request, what would be dropped is refused. A',
        "parameter that is not listed is dropped.\n",
    ]
    for client in CLIENTS:
        lines += _parameters(client)
    lines += ["## Contents\n", "| What | What becomes of it |", "| --- | --- |"]
    lines += [f"| {what} | {fate} |" for what, fate in _CONTENTS]
    lines += _limits()
    lines += _thinking()
    lines += ["\n## Answers\n", *_ANSWERS]
    return "\n".join(lines) + "\n"


def _limits() -> list[str]:
    lines = [
        "\n## Limits of an answer\n",
        "Anthropic's requests, and Claude's on Bedrock, must say how long an answer may become. Where the client",
        "does not, the model's maximum is said; where that is not known, "
        f"{USUAL:,} tokens. A limit above a known",
        "maximum is lowered to it, in every dialect, because the provider would refuse the call: tools made for",
        "one vendor's models ask for more than another's can give. Other models on Bedrock get none and use",
        "their own. A model's window in the catalogue is its maximum where that is smaller. The known maxima:\n",
        "| Models | Tokens |",
        "| --- | --- |",
    ]
    return lines + [f"| {row.name} | {row.tokens:,} |" for row in MAXIMA]


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _parameters(client: str) -> list[str]:
    wires = [wire for wire in WIRES if wire != client]
    lines = [
        f"## From {TITLES[client]}\n",
        f"| Parameter | {' | '.join('to ' + TITLES[wire] for wire in wires)} | |",
        f"| --- |{' --- |' * (len(wires) + 1)}",
    ]
    for rule in TABLE:
        if rule.client == client:
            fates = " | ".join(_word(rule, wire) for wire in wires)
            lines.append(f"| `{rule.parameter}` | {fates} | {rule.note} |")
    return [*lines, ""]


def _word(rule: Rule, wire: str) -> str:
    fate = rule.fates[wire]
    return f"*{fate.value}*" if fate in (Fate.REFUSED, Fate.SPECIAL) else fate.value


def _thinking() -> list[str]:
    lines = [
        "\n## Thinking\n",
        "An effort in words goes to OpenAI's thinking models as it is, as far as the model knows the word,",
        "and to Claude from 4.6 on as `output_config.effort` with adaptive thinking. Older Claudes get a",
        f"budget: {LEAST_BUDGET} tokens and the share below of the rest of `max_tokens`; a budget becomes the",
        "effort whose share is nearest, because a budget that one model takes another refuses. Claude does",
        "not think while a tool is forced, and before 4.6 not in a turn whose calls came without sealed",
        "thinking. Nova 2 on Bedrock thinks with a low or a medium effort; other models there do not think.\n",
        "| Effort | Claude's share | Gemini 2.5 budget | Gemini 3 level |",
        "| --- | --- | --- | --- |",
    ]
    for effort, budget in GEMINI_BUDGETS.items():
        share = RATIOS.get(effort)
        told = "no thinking" if share is None else f"{share:.1%}"
        lines.append(f"| `{effort}` | {told} | {budget} | `{GEMINI_LEVELS[effort]}` |")
    lines += [
        "\nPro models of Gemini always think: the least is 128 tokens, or `LOW`.\n",
        "Models prove that thinking is theirs by a text that nobody else can read. It is carried through",
        "other dialects, marked with whom it belongs to, and goes to no other model:\n",
        "| Proof | Where it is carried |",
        "| --- | --- |",
    ]
    return [*lines, *(f"| {what} | {where} |" for what, where in _SEALS)]


_ANSWERS = (
    "The stop reason, the token counts with what was read from and written to a cache, the ids of calls and",
    "the error messages of the provider arrive in the client's words; the status of an error stays. Ids that",
    "the provider does not give are made from the id of the request. The model is called what the client",
    "called it. Streams are translated event by event: arguments of a tool grow as they come, but in",
    "Gemini's dialect, which tells calls whole; calls that a provider tells in turns are put one after the",
    "other. A stream that breaks off ends with the error event of the client's dialect and never with its",
    "regular end. Signs of likelihood (`logprobs`) come from Gemini to OpenAI chat.",
)
