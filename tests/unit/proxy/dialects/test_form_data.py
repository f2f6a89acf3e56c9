"""A form's fields are found where they stand, and a form that two readers could read differently is refused."""

import pytest

from core.fault import Fault, Refused
from proxy.dialects.form_data import fields
from proxy.dialects.openai_audio import OPENAI_TRANSCRIPTIONS

TYPE = b"multipart/form-data; boundary=XX"


def form(*parts: bytes, end: bytes = b"--XX--\r\n") -> bytes:
    return b"".join(b"--XX\r\n" + part + b"\r\n" for part in parts) + end


def field(name: bytes, value: bytes, more: bytes = b"") -> bytes:
    return b'Content-Disposition: form-data; name="%b"%b\r\n\r\n%b' % (name, more, value)


SOUND = field(b"file", b"RIFF\r\n--X\r\n\x00\xff--XX", b'; filename="a; name=model.wav"')
GOOD = form(SOUND, field(b"model", b"whisper-1"), field(b"stream", b"true"))


def test_fields_are_found_where_they_stand() -> None:
    found = fields(GOOD, b'Multipart/Form-Data; Boundary="XX"')
    assert {n: GOOD[p.start : p.end] for n, p in found.items()} == {
        b"file": b"RIFF\r\n--X\r\n\x00\xff--XX",
        b"model": b"whisper-1",
        b"stream": b"true",
    }


def test_an_empty_field_is_empty() -> None:
    body = form(field(b"a", b""), field(b"model", b"m"))
    assert fields(body, TYPE)[b"a"][1:] == (fields(body, TYPE)[b"a"].start,) * 2


def test_a_form_is_read_and_renamed_in_place() -> None:
    assert OPENAI_TRANSCRIPTIONS.read_form is not None
    ask = OPENAI_TRANSCRIPTIONS.read_form(GOOD, TYPE)
    assert (ask.model, ask.is_streamed) == ("whisper-1", True)
    renamed = OPENAI_TRANSCRIPTIONS.renamed(GOOD, ask, "gpt-4o-transcribe")
    assert renamed == GOOD.replace(b"whisper-1", b"gpt-4o-transcribe")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"preamble\r\n" + GOOD,
        form(SOUND, field(b"model", b"a"), field(b"model", b"b")),
        form(field(b"model", b"a"), end=b""),
        form(b"no head"),
        form(b"Content-Type: text/plain\r\n\r\nx"),
        form(b"Content-Disposition: form-data\r\n\r\nx"),
        form(b"Content-Disposition: form-data; name*=utf-8''model\r\n\r\nx"),
        form(b'Content-Disposition: form-data; name="a"; name="model"\r\n\r\nx'),
        form(b'Content-Disposition: form-data; name="mo\\del"\r\n\r\nx'),
        form(b'Content-Disposition: form-data; name="a" nonsense\r\n\r\nx'),
        form(
            b'Content-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="b"\r\n\r\nx'
        ),
        form(b"X: " + b"y" * 9000 + b"\r\n\r\nx"),
        form(*(field(b"f%d" % n, b"x") for n in range(65))),
        GOOD.replace(b"--XX\r\n", b"--XX \r\n"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(body) -> None:
    with pytest.raises(Refused) as caught:
        fields(body, TYPE)
    assert caught.value.fault is Fault.BAD_REQUEST


@pytest.mark.parametrize(
    "media", [b"", b"application/json", b"multipart/form-data", TYPE + b"; charset=x"]
)
def test_a_form_needs_a_boundary(media) -> None:
    with pytest.raises(Refused):
        fields(GOOD, media)


@pytest.mark.parametrize(
    ("part", "fault"),
    [
        (field(b"other", b"x"), Fault.MISSING_MODEL),
        (field(b"model", b""), Fault.MISSING_MODEL),
        (field(b"model", b"\xff\xfe"), Fault.BAD_REQUEST),
        (field(b"model", b"m" * 2000), Fault.BAD_REQUEST),
        (field(b"model", b"a\r\nb"), Fault.BAD_REQUEST),
    ],
)
def test_a_form_must_name_its_model(part, fault) -> None:
    assert OPENAI_TRANSCRIPTIONS.read_form is not None
    with pytest.raises(Refused) as caught:
        OPENAI_TRANSCRIPTIONS.read_form(form(SOUND, part), TYPE)
    assert caught.value.fault is fault
