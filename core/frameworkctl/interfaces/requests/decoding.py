"""JSON bodies into Structs, with errors that name the field."""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import Any

import msgspec

from frameworkctl.errors import RequestError, clipped
from frameworkctl.limits import check_lengths

_WHERE = re.compile(r"^(?P<what>.*?) - at `(?:key in )?\$(?P<path>.*)`$", re.DOTALL)
MAX_SAID = 1000  # characters of what the decoder says, which repeats a value of an enumeration whole
MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
MAX_DEPTH_MESSAGE = "The body is nested too deeply."


@lru_cache(maxsize=256)
def decoder_for(type_: Any) -> msgspec.json.Decoder[Any]:
    """Return one lax decoder per Struct, made once."""
    return msgspec.json.Decoder(type_, strict=False)


def decode_json(body: bytes, type_: Any) -> Any:
    """Return ``body`` as ``type_``, its fields no longer than ``limits.LENGTHS``. Raises as ``decode_body`` does."""
    if not body.strip():
        raise RequestError("The body is empty: send a JSON object.", code="invalid_json")
    if body.startswith(MARKS):
        raise RequestError(
            "The body begins with a byte order mark (BOM): send JSON in UTF-8 without one.", code="invalid_json"
        )
    try:
        request = decoder_for(type_).decode(body)
    except msgspec.ValidationError as e:
        message, param = locate(clipped(str(e), MAX_SAID))
        raise RequestError(message, param=param, code="invalid_type") from None
    except msgspec.DecodeError as e:
        raise RequestError(f"The body is not valid JSON: {e}", code="invalid_json") from None
    except RecursionError:
        raise RequestError(MAX_DEPTH_MESSAGE, code="invalid_json") from None
    except UnicodeDecodeError:
        raise RequestError("The body is not valid UTF-8.", code="invalid_json") from None
    if isinstance(request, msgspec.Struct):
        check_lengths(request)
    return request


def locate(message: str) -> tuple[str, str | None]:
    """Split msgspec's ``Expected `int`, got `str` - at `$.n``` into (message, ``n``); param None when it names no
    field.
    """
    match = _WHERE.match(message)
    if match is None:
        missing = re.match(r"^Object missing required field `(?P<name>[^`]+)`(?: - at `\$(?P<path>.*)`)?$", message)
        if missing:
            path = (missing["path"] or "").lstrip(".")
            return message, f"{path}.{missing['name']}" if path else missing["name"]
        return message, None
    path = match["path"].lstrip(".")
    missing = re.match(r"^Object missing required field `(?P<name>[^`]+)`$", match["what"])
    if missing:
        path = f"{path}.{missing['name']}" if path else missing["name"]
    return f"{match['what']} at `{path}`.", path or None
