"""Reading an upload while its limits are enforced: nothing is written to the disk, nothing larger is taken in."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import HTTPException, Request
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from vireid.service.settings import Settings

__all__ = ["Form", "Upload", "read_form"]

_MAX_FIELD = 1000  # bytes; names and times
_MAX_FIELDS = 2000


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form.

    Attributes:
        name: what the sender calls it; shown, never used as a path.
        content: its bytes.
    """

    name: str
    content: bytes


@dataclass(slots=True)
class Form:
    """Files and fields by name. ``images[]`` is the same name as ``images``; an empty field is the same as none."""

    files: dict[str, list[Upload]] = field(default_factory=dict)
    fields: dict[str, list[str]] = field(default_factory=dict)


async def read_form(request: Request, settings: Settings) -> Form:
    """Read a ``multipart/form-data`` request.

    Raises:
        HTTPException: 415 another type, 400 not well-formed or cut short, 413 a file too large or too many of them.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        got = kind.decode("latin-1") or "no content type"
        raise HTTPException(415, f"images are sent as multipart/form-data with a boundary, got {got[:100]}")
    parts = _Parts(settings)
    try:
        parser = MultipartParser(
            options[b"boundary"],
            {
                "on_part_begin": parts.begin,
                "on_header_field": parts.header_name,
                "on_header_value": parts.header_value,
                "on_header_end": parts.header_end,
                "on_headers_finished": parts.headers_end,
                "on_part_data": parts.data,
                "on_part_end": parts.end,
                "on_end": parts.finish,
            },
        )
        async for chunk in request.stream():
            parser.write(chunk)
        parser.finalize()
    except FormParserError as error:
        raise HTTPException(400, f"this is no well-formed multipart/form-data: {error}") from error
    if not parts.finished:
        raise HTTPException(400, "the form ends before its closing boundary; send all of it")
    return parts.form


class _Parts:
    """What the parser calls as it meets the parts."""

    def __init__(self, settings: Settings) -> None:
        self.form = Form()
        self.finished = False
        self._settings = settings
        self._files = self._fields = 0

    def begin(self) -> None:
        self._headers: dict[str, bytes] = {}
        self._name, self._value = b"", b""
        self._content = bytearray()

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value
        self._name, self._value = b"", b""

    def headers_end(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        if b"name" not in options:
            raise HTTPException(400, "each part of a form needs a name in its Content-Disposition; one has none")
        self._field = _text(options[b"name"], "the name of a field").removesuffix("[]")[:100]
        self._is_file = b"filename" in options
        self._file_name = options.get(b"filename", b"").decode("utf-8", "replace")
        self._files += self._is_file
        self._fields += not self._is_file
        if self._files > self._settings.max_files:
            raise HTTPException(
                413, f"a request may hold at most {self._settings.max_files} files, got more; send them in turns"
            )
        if self._fields > _MAX_FIELDS:
            raise HTTPException(413, f"a request may hold at most {_MAX_FIELDS} fields, got more")

    def data(self, data: bytes, start: int, end: int) -> None:
        limit = self._settings.max_file if self._is_file else _MAX_FIELD
        if len(self._content) + end - start > limit:
            what = f"file {shown(self._file_name)}" if self._is_file else f"field {self._field!r}"
            raise HTTPException(413, f"{what} may have at most {limit} bytes, got more")
        self._content += data[start:end]

    def end(self) -> None:
        if self._is_file:
            # A browser sends a nameless empty file where none was picked.
            if self._file_name or self._content:
                upload = Upload(self._file_name, bytes(self._content))
                self.form.files.setdefault(self._field, []).append(upload)
        elif value := _text(bytes(self._content), f"field {self._field!r}"):
            self.form.fields.setdefault(self._field, []).append(value)

    def finish(self) -> None:
        self.finished = True


def shown(name: str) -> str:
    """A sender's name for a file, short and without surprises, for a sentence."""
    return repr(name if len(name) <= 60 else f"{name[:57]}...")


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise HTTPException(400, f"{what} must be UTF-8 text, got other bytes") from None
