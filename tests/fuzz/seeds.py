"""The corpus that fuzzing starts from: real requests, answers and streams, and the tricks of smugglers."""

from tests.fuzz.targets import DIALECTS, TARGETS, TRANSLATIONS

_STREAMS = (
    b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"hi"}}],"usage":null}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,'
    b'"prompt_tokens_details":{"cached_tokens":1}}}\n\ndata: [DONE]\n\n',
    b'event: message_start\ndata: {"type":"message_start","message":{"model":"m","usage":'
    b'{"input_tokens":3,"cache_read_input_tokens":1,"output_tokens":1}}}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":9}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"r",'
    b'"usage":{"input_tokens":3,"output_tokens":2}}}\n\n',
    b'data: {"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}],'
    b'"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":2}}\r\n\r\n',
    b'data: {"model":"\xde\xce","usage":{"prompt_tokens":1}}\n\n\n',
    b'x: {"usage":\n\ndata: {"choices":[]}\n\n',
    b": comment\r\rdata: x\rdata: y\r\n\r\nevent: error\ndata: {}\n\n\xef\xbb\xbfdata:1\n\n",
)
_BODIES = (
    b'{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"hi"}]}',
    b'{"model":"a","stream_options":{"include_usage":null,"x":[1,{"model":"b"}]},"model":"c"}',
    b' { "mod\\u0065l" : "a" , "max_tokens" : 1e3, "stream_options" : null }',
    b'{"model":"m","max_tokens":5,"system":"s","messages":[],"usage":{"input_tokens":"7"}}',
    b'{"model":"gpt-4o\x8d","messages":[{"role":"user","content":"hi"}],"usage":{"\x93":1}}',
    b'{"contents":[{"role":"user","parts":[{"text":"\\ud83d\\ude00"}]}],"generationConfig":{}}',
)
_REQUESTS = (
    b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\n"
    b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 1\r\n\r\nx",
    b"GET http://a/x HTTP/1.0\r\nConnection: keep-alive\r\nX:\t\x80 y \r\n\r\n",
)
_ANSWERS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.0 204 No\r\nX: a\r\n\r\nHTTP/1.1 200",
)
_TALKS = (
    b'{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url",'
    b'"image_url":{"url":"data:image/png;base64,AA=="}}]},{"role":"assistant","tool_calls":[{"id":"t1",'
    b'"type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"t1",'
    b'"content":"r"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]}',
    b'{"model":"m","max_tokens":9,"system":[{"type":"text","text":"s"}],"messages":[{"role":"assistant",'
    b'"content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"tool_use","id":"t","name":"f",'
    b'"input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"r"}]}]}',
    b'{"model":"m","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"a"}]},'
    b'{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},'
    b'{"type":"function_call_output","call_id":"c","output":"o"}]}',
    b'{"contents":[{"role":"user","parts":[{"text":"a"},{"inlineData":{"mimeType":"image/png","data":"AA=="}}]},'
    b'{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}}]}],"tools":[{"functionDeclarations":'
    b'[{"name":"f"}]}]}',
)
_ANSWERED = (
    b'{"id":"c","choices":[{"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}',
    b'{"id":"m","content":[{"type":"text","text":"a"}],"stop_reason":"end_turn","usage":{"input_tokens":1}}',
    b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{}}}]},"finishReason":"STOP"}]}',
    b'{"output":{"message":{"content":[{"text":"a"}]}},"stopReason":"end_turn","usage":{"inputTokens":1}}',
)
_OF = {
    "events": _STREAMS,
    "stream_meter": _STREAMS,
    "hiding_meter": _STREAMS,
    "body_meter": _BODIES,
    "usage": (*_BODIES, b'{"prompt_tokens":-1,"completion_tokens":1e30}', b'{"input_tokens":true}'),
    "request": _BODIES,
    "splice": _BODIES,
    "http_request": _REQUESTS,
    "http_response": _ANSWERS,
    "translated_request": (*_BODIES, *_TALKS),
    "translated_stream": _STREAMS,
    "translated_answer": (*_BODIES, *_ANSWERED),
    "captured": (
        *(b"\0" + seed for seed in (*_BODIES, *_TALKS, *_ANSWERED)),
        *(b"\xff" + seed for seed in _STREAMS),
    ),
}
_CHOOSES_DIALECT = {"captured", "stream_meter", "hiding_meter", "body_meter", "usage", "request"}
_CHOOSES_PAIR = {"translated_request", "translated_stream", "translated_answer"}
_CUTS_UP = {
    "events",
    "stream_meter",
    "hiding_meter",
    "body_meter",
    "http_request",
    "http_response",
    "translated_stream",
}


def seeds(target: str) -> list[bytes]:
    """The corpus of a target, or of all in one."""
    if target == "every":
        return [bytes([place]) + seed for place, name in enumerate(TARGETS) for seed in seeds(name)]
    found = list(_OF[target])
    if target in _CUTS_UP:
        found = [bytes([step]) + seed for seed in found for step in (0, 22)]
    if target in _CHOOSES_PAIR:
        found = [bytes([place]) + seed for seed in found for place in range(len(TRANSLATIONS))]
    if target in _CHOOSES_DIALECT:
        found = [bytes([place]) + seed for seed in found for place in range(len(DIALECTS))]
    return found
