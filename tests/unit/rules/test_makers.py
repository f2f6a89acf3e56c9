"""Sealed parts of answers are recognised again in requests, however the answer's bytes were cut."""

import base64
import random

import pytest

from rules.makers import Makers, Watch, has_sealed, sealed_parts

SEAL = base64.b64encode(random.Random(7).randbytes(400)).decode()
SHORT = base64.urlsafe_b64encode(random.Random(8).randbytes(30)).decode()

ANSWERS = {
    "anthropic": 'data: {"type":"content_block_delta","delta":{"type":"signature_delta","signature":"%s"}}\n\n',
    "redacted": 'data: {"content_block":{"type":"redacted_thinking","data":"%s"}}\n\n',
    "responses": 'data: {"item":{"type":"reasoning","id":"rs_1","encrypted_content": "%s"}}\n\n',
    "gemini": 'data: {"candidates":[{"content":{"parts":[{"thoughtSignature":"%s"}]}}]}\n\n',
}
REQUESTS = {
    "anthropic": '{"messages":[{"content":[{"type":"thinking","thinking":"t","signature":"%s"}]}]}',
    "redacted": '{"messages":[{"content":[{"type":"redacted_thinking", "data" : "%s"}]}]}',
    "responses": '{"input":[{"type":"reasoning","encrypted_content":"%s"}]}',
    "gemini": '{"contents":[{"parts":[{"thoughtSignature":"%s"}]}]}',
}
DIALECTS = {
    "anthropic": "anthropic_messages",
    "redacted": "anthropic_messages",
    "responses": "openai_responses",
    "gemini": "gemini",
}


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("seal", [SEAL, SHORT], ids=["long", "short"])
def test_a_sealed_part_leads_back_to_its_maker_wherever_the_answer_was_cut(kind, seal):
    answer = b'data: {"x":1}\n\n' + (ANSWERS[kind] % seal).encode() + b'data: {"y":2}\n\n'
    request = (REQUESTS[kind] % seal).encode()
    assert has_sealed(request, DIALECTS[kind])
    for cut in range(1, len(answer), 3):
        makers = Makers()
        watch = Watch(makers, "vk_1", "prov_b", DIALECTS[kind])
        watch.see([answer[:cut]])
        watch.see([answer[cut : cut + 7], answer[cut + 7 :]])
        assert makers.maker_of("vk_1", request) == "prov_b"
        assert makers.maker_of("vk_2", request) is None


def test_byte_by_byte_is_found_too():
    makers = Makers()
    watch = Watch(makers, "vk_1", "prov_b", "openai_responses")
    for byte in (ANSWERS["responses"] % SEAL).encode():
        watch.see([bytes([byte])])
    assert makers.maker_of("vk_1", (REQUESTS["responses"] % SEAL).encode()) == "prov_b"


def test_the_newest_known_part_decides():
    makers = Makers()
    first, second = (base64.b64encode(random.Random(n).randbytes(90)) for n in (1, 2))
    makers.remember("vk_1", next(sealed_parts(b'"signature":"%b"' % first)), "prov_a")
    makers.remember("vk_1", next(sealed_parts(b'"signature":"%b"' % second)), "prov_b")
    body = b'{"a":{"signature":"%b"},"b":{"signature":"%b"},"c":{"signature":"%b"}}'
    assert makers.maker_of("vk_1", body % (first, second, b"unknown-" * 4)) == "prov_b"
    assert makers.maker_of("vk_1", body % (second, first, b"unknown-" * 4)) == "prov_a"


def test_an_ordinary_request_has_nothing_sealed():
    for dialect in (*DIALECTS.values(), "openai_chat"):
        assert not has_sealed(b'{"model":"m","messages":[{"content":"hello"}]}', dialect)
    assert list(sealed_parts(b'{"signature":"short","data":"x"}')) == []


def test_the_memory_is_bounded():
    makers = Makers(most=10)
    for number in range(50):
        makers.remember("vk_1", b"%020d" % number, "prov")
    assert len(makers) == 10


def test_a_part_far_from_the_end_of_a_long_request_is_found_too():
    makers = Makers()
    part = SEAL.encode()
    makers.remember("vk_1", next(sealed_parts(b'"signature":"%b"' % part)), "prov_a")
    body = b'{"a":{"signature":"%b"},"b":"%b"}' % (part, b"x" * 100_000)
    assert makers.maker_of("vk_1", body) == "prov_a"
