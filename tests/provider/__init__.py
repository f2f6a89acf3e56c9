"""The fake LLM provider: a scripted HTTP/1.1 program that tests and the bench talk to.

It answers in the OpenAI and Anthropic dialects from `fixtures/exchanges`, misbehaves as told and
records every call. It runs no model, compares no key and knows nothing of the gateway in between.

Start: `python -m tests.provider --port 0 [--journal FILE]`, or the fixture `provider`.
Script (see `behaviour.py` for all names), the first that is given counts:
  - the header `x-fake-behaviour: chunks=20,delay_ms=5,reset_after=7`
  - a model name such as `gpt-4o#prompt=120,completion=30`
  - `POST /_control/behaviour {"behaviour": "status=429", "times": 2}`, queued; without times: until reset
Look: `GET /_control/calls` (every header, body, usage counted, how it ended), `GET /_control/state`.
Steer: `POST /_control/step` for one write of a call with `step`, `POST /_control/reset`.
"""
