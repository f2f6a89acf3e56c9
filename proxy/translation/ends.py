"""How answers end, in the words of each dialect. Two tables a dialect: read and written."""

from proxy.translation.neutral import StopReason

END, LENGTH, SEQUENCE = StopReason.END, StopReason.LENGTH, StopReason.SEQUENCE
TOOLS, FILTERED = StopReason.TOOLS, StopReason.FILTERED

FROM_CHAT = {
    "stop": END,
    "length": LENGTH,
    "tool_calls": TOOLS,
    "function_call": TOOLS,
    "content_filter": FILTERED,
}
TO_CHAT = {
    END: "stop",
    SEQUENCE: "stop",
    LENGTH: "length",
    TOOLS: "tool_calls",
    FILTERED: "content_filter",
}
FROM_MESSAGES = {
    "end_turn": END,
    "pause_turn": END,
    "max_tokens": LENGTH,
    "model_context_window_exceeded": LENGTH,
    "stop_sequence": SEQUENCE,
    "tool_use": TOOLS,
    "refusal": FILTERED,
}
TO_MESSAGES = {
    END: "end_turn",
    LENGTH: "max_tokens",
    SEQUENCE: "stop_sequence",
    TOOLS: "tool_use",
    FILTERED: "refusal",
}
FROM_GEMINI = {
    "STOP": END,
    "MAX_TOKENS": LENGTH,
    "SAFETY": FILTERED,
    "RECITATION": FILTERED,
    "LANGUAGE": FILTERED,
    "BLOCKLIST": FILTERED,
    "PROHIBITED_CONTENT": FILTERED,
    "SPII": FILTERED,
    "IMAGE_SAFETY": FILTERED,
    "IMAGE_PROHIBITED_CONTENT": FILTERED,
}
TO_GEMINI = {
    END: "STOP",
    LENGTH: "MAX_TOKENS",
    SEQUENCE: "STOP",
    TOOLS: "STOP",
    FILTERED: "SAFETY",
}
FROM_CONVERSE = {
    "end_turn": END,
    "tool_use": TOOLS,
    "max_tokens": LENGTH,
    "model_context_window_exceeded": LENGTH,
    "stop_sequence": SEQUENCE,
    "guardrail_intervened": FILTERED,
    "content_filtered": FILTERED,
}
TO_RESPONSES = {LENGTH: "max_output_tokens", FILTERED: "content_filter"}
"""The reasons for which a response is incomplete; all others are complete."""
