"""Go's ``encoding/base64``: which text decodes, and to what."""

import binascii
import re

_URL_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_URL_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_STANDARD = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


def raw_url_decode(text: bytes) -> bytes | None:
    """``RawURLEncoding.DecodeString``: None where Go gives an error.

    Unpadded, URL-safe alphabet; carriage returns and line feeds are skipped wherever they
    stand, and the unused last bits may be anything.
    """
    if text.translate(None, _URL_ALPHABET):
        text = text.translate(None, b"\r\n")
        if text.translate(None, _URL_ALPHABET):
            return None
    extra = len(text) & 3
    if extra == 1:
        return None
    padded = text.translate(_URL_TO_STANDARD)
    return binascii.a2b_base64(padded + b"==" if extra else padded)


def raw_url_encode(data: bytes) -> bytes:
    """``RawURLEncoding.EncodeToString``."""
    encoded = binascii.b2a_base64(data, newline=False)
    return encoded.rstrip(b"=").replace(b"+", b"-").replace(b"/", b"_")


def standard_decode(text: bytes) -> bytes | None:
    """``StdEncoding.DecodeString``: padding needed, line breaks skipped; None on an error."""
    text = text.translate(None, b"\r\n")
    if not _STANDARD.fullmatch(text):
        return None
    return binascii.a2b_base64(text)
