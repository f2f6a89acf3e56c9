"""Images, documents and sounds in the words of each dialect. Fetches nothing: an address stays an address."""

import base64
import binascii
import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from proxy.translation.neutral import Media
from proxy.translation.rules import Notes
from proxy.translation.shapes import given

_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*?)(;base64)?,", re.IGNORECASE)
_BY_SUFFIX = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".heic": "image/heic",
    ".pdf": "application/pdf",
    ".txt": "text/plain",
    ".mp3": "audio/mp3",
    ".wav": "audio/wav",
    ".mp4": "video/mp4",
}
_CONVERSE_FORMATS = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
    "application/pdf": "pdf",
    "text/plain": "txt",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
_NOT_A_NAME = re.compile(r"[^a-zA-Z0-9\s()\[\]-]+")


def from_url(kind: str, url: str, *, name: str = "", detail: str = "") -> Media:
    """Return what a data URL holds, or what any other address points at."""
    found = _DATA_URL.match(url)
    if found is None:
        return Media(kind, url=url, name=name, detail=detail)
    rest = url[found.end() :]
    if found[3] is None:
        rest = base64.b64encode(unquote(rest).encode()).decode()
    return Media(kind, found[1].lower() or "text/plain", rest, name=name, detail=detail)


def kind_of(media_type: str) -> str:
    """Return what a media type is for: ``image``, ``audio``, ``video`` or ``document``."""
    top = media_type.partition("/")[0]
    return top if top in ("image", "audio", "video") else "document"


def data_url(item: Media) -> str:
    """Return an item as one address, a data URL where it is there by value."""
    if item.url:
        return item.url
    data = item.data or base64.b64encode(item.text.encode()).decode()
    return f"data:{_type_of(item)};base64,{data}"


def _type_of(item: Media) -> str:
    if item.media_type:
        return item.media_type
    if item.text:
        return "text/plain"
    suffix = PurePosixPath(urlsplit(item.url).path).suffix.lower()
    usual = {"image": "image/jpeg", "audio": "audio/mp3", "video": "video/mp4"}
    return _BY_SUFFIX.get(suffix, usual.get(item.kind, "application/pdf"))


def to_chat(item: Media, notes: Notes) -> dict[str, Any]:
    """Return a part of a chat message. Raises Refused: UNSUPPORTED_PARAMETER for what chat can't hold."""
    if item.kind == "image":
        return {
            "type": "image_url",
            "image_url": given(url=data_url(item), detail=item.detail or None),
        }
    if item.kind == "audio" and item.data:
        form = item.media_type.partition("/")[2].removeprefix("x-")
        form = {"mpeg": "mp3", "wave": "wav"}.get(form, form)
        return {"type": "input_audio", "input_audio": {"data": item.data, "format": form}}
    if item.kind == "document" and item.text and not item.data:
        title = f"{item.name}\n\n" if item.name else ""
        return {"type": "text", "text": title + item.text}
    if item.kind == "document" and not item.url:
        name = item.name or "document.pdf"
        return {"type": "file", "file": {"filename": name, "file_data": data_url(item)}}
    raise notes.refusal("content", f"it can't hold this {item.kind}")


def to_messages(item: Media, notes: Notes) -> dict[str, Any]:
    """Return a block of an Anthropic message. Raises Refused: UNSUPPORTED_PARAMETER."""
    if item.kind == "image":
        return {"type": "image", "source": _messages_source(item)}
    if item.kind == "document":
        if item.text and not item.data:
            source: dict[str, Any] = {"type": "text", "media_type": "text/plain", "data": item.text}
        elif item.data and item.media_type == "text/plain":
            source = {"type": "text", "media_type": "text/plain", "data": _decoded(item.data)}
        elif item.data and item.media_type not in ("", "application/pdf"):
            raise notes.refusal("content", "documents must be PDF or plain text")
        else:
            source = _messages_source(item)
        return given(type="document", source=source, title=item.name or None)
    raise notes.refusal("content", f"it can't hold {item.kind}")


def _messages_source(item: Media) -> dict[str, Any]:
    if item.data:
        return {"type": "base64", "media_type": _type_of(item), "data": item.data}
    return {"type": "url", "url": item.url}


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return data


def to_gemini(item: Media) -> dict[str, Any]:
    """Return a part of a Gemini content; it takes every kind."""
    if item.text and not item.data:
        return {"text": f"{item.name}\n\n{item.text}" if item.name else item.text}
    if item.data:
        return {"inlineData": {"mimeType": _type_of(item), "data": item.data}}
    return {"fileData": {"mimeType": _type_of(item), "fileUri": item.url}}


def to_converse(item: Media, notes: Notes) -> dict[str, Any]:
    """Return a block of a Converse message. Raises Refused: UNSUPPORTED_PARAMETER."""
    form = _CONVERSE_FORMATS.get(_type_of(item))
    if item.kind not in ("image", "document") or form is None:
        raise notes.refusal("content", f"it can't hold this {item.kind}")
    if item.url:
        if not item.url.startswith("s3://"):
            raise notes.refusal("content", "it fetches nothing: send the data itself")
        source: dict[str, Any] = {"s3Location": {"uri": item.url}}
    elif item.data:
        source = {"bytes": item.data}
    else:
        source = {"text": item.text}
    if item.kind == "image":
        return {"image": {"format": form, "source": source}}
    name = " ".join(_NOT_A_NAME.sub(" ", item.name).split()) or "document"
    return {"document": {"format": form, "name": name, "source": source}}
