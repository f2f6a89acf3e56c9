"""The mock provider of the request benchmarks: nginx with one fixed chat completion.

It reads no body and decides nothing, so that it is never the slowest part; the run checks that.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import LOAD_CORE, free_port, running

ANSWER = json.dumps(
    {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1795219200,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hello! How can I help you today?",
                    "refusal": None,
                    "annotations": [],
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 19,
            "completion_tokens": 10,
            "total_tokens": 29,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "default",
    }
)
NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log crit;
events {{ worker_connections 8192; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s;
    client_max_body_size 64m; client_body_buffer_size 1m;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {body}
}}
"""


def nginx_command(folder: Path, body: str) -> list[str]:
    """The command of an nginx with one worker and this `http` content, kept in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, body=body))
    return ["nginx", "-p", str(folder), "-c", str(file), "-e", str(folder / "error.log")]


@contextmanager
def mock_upstream(folder: Path) -> Iterator[int]:
    """The port of a running mock; it shares a core with the load generator."""
    port = free_port()
    body = f"""
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ default_type application/json; return 200 '{ANSWER}'; }}
    }}"""
    with running(nginx_command(folder, body), LOAD_CORE, port):
        yield port
