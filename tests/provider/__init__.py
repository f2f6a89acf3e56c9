"""The fake LLM provider: a scripted HTTP/1.1 program that tests and the bench talk to.

It answers in the OpenAI and Anthropic dialects from `fixtures/exchanges`, misbehaves as told and
records every call. It checks no key, runs no model and knows nothing of the gateway in between.
"""
