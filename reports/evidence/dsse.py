"""The envelope that a statement is signed in: DSSE v1 (secure-systems-lab/dsse) with Ed25519, by securesystemslib."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models.diagnostics import input_error

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
_KEY_BYTES_MAX: Final = 100_000


def signed(payload: bytes, key: Path) -> str:
    """A payload in an envelope, signed with a private key: JSON on one line. Raises InputError."""
    _need()
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # its __all__ forgets it

    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    envelope.sign(CryptoSigner(_private(key)))
    return json.dumps(envelope.to_dict(), sort_keys=True, separators=(",", ":"))


def opened(envelope: dict[str, Any], key: Path | None) -> tuple[bytes, str | None]:
    """The payload of an envelope, and what is wrong with its signature; None: nothing, or no key was given.

    Raises InputError where it is no envelope of a statement, or the key cannot be read.
    """
    _need()
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import Error, VerificationError
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]  # its __all__ forgets it

    try:
        whole = Envelope.from_dict(envelope)
    except (KeyError, TypeError, ValueError, AttributeError, Error) as error:
        raise input_error(f"is no DSSE envelope: {type(error).__name__}", "evidence") from None
    if whole.payload_type != PAYLOAD_TYPE:
        return whole.payload, f"the payload type is not {PAYLOAD_TYPE}"
    if key is None:
        return whole.payload, None
    public = SSlibKey.from_crypto(_public(key))
    try:
        whole.verify([public], 1)
    except (VerificationError, ValueError):
        return whole.payload, "the signature is not by this key, or not of these bytes"
    return whole.payload, None


def _need() -> None:
    try:
        import cryptography
        import securesystemslib  # noqa: F401 - whether both are there
    except ImportError:
        help = "pip install 'windtunnel[evidence]'"
        raise input_error("signing needs securesystemslib and cryptography", "--key", help) from None
    del cryptography


def _private(file: Path) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    help = "make one by `openssl genpkey -algorithm ed25519 -out key.pem`"
    try:
        key = load_pem_private_key(_read(file), password=None)
    except TypeError:
        raise input_error("the key is encrypted", str(file), "give one without a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise input_error("is no private key in PEM", str(file), help) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise input_error("is no Ed25519 key", str(file), help)
    return key


def _public(file: Path) -> Ed25519PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    help = "write it by `openssl pkey -in key.pem -pubout -out public.pem`"
    try:
        key = load_pem_public_key(_read(file))
    except (ValueError, UnsupportedAlgorithm):
        raise input_error("is no public key in PEM", str(file), help) from None
    if not isinstance(key, Ed25519PublicKey):
        raise input_error("is no Ed25519 key", str(file), help)
    return key


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > _KEY_BYTES_MAX:
            raise input_error("is too large for a key", str(file))
        return file.read_bytes()
    except OSError as error:
        raise input_error(f"cannot be read: {error.strerror}", str(file)) from None
