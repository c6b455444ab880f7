#!/usr/bin/env python3
"""Signs a request to the Chert API (RFC 9421) and prints the headers to send with it.

    sign.py METHOD URL --key FILE [--body FILE] [--expires-in SECONDS]

The signature is made by the library http-message-signatures; what is ours is which components and
parameters it has (docs/api-design.md). The key file holds one line: ed25519, ml-dsa-44, ml-dsa-65 or
ml-dsa-87, a blank, and the seed in 64 hex digits (`chert sign --generate --key FILE` makes one).
"""

import argparse
import datetime
import hashlib
import pathlib
import secrets
from types import SimpleNamespace

from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPSignatureAlgorithm,
    HTTPSignatureKeyResolver,
)
from http_message_signatures.structures import CaseInsensitiveDict

KEYS = {
    "ed25519": ed25519.Ed25519PrivateKey.from_private_bytes,
    "ml-dsa-44": mldsa.MLDSA44PrivateKey.from_seed_bytes,
    "ml-dsa-65": mldsa.MLDSA65PrivateKey.from_seed_bytes,
    "ml-dsa-87": mldsa.MLDSA87PrivateKey.from_seed_bytes,
}
COMPONENTS = ("@method", "@authority", "@path", "@query")
LABEL = "chert"


def read_key(path):
    """The algorithm's name and the secret key."""
    name, seed = pathlib.Path(path).read_text().split()
    return name, KEYS[name](bytes.fromhex(seed))


def account_of(public_key):
    """The account that a public key stands for."""
    digest = hashlib.sha3_256(b"CHERT_ADDRESS_ACCOUNT_V2" + public_key).digest()
    return "0x" + digest[:20].hex()


def algorithm_of(name):
    """Our four algorithms all sign bytes as they are."""

    class Algorithm(HTTPSignatureAlgorithm):
        algorithm_id = name

        def __init__(self, public_key=None, private_key=None):
            self.private_key = private_key

        def sign(self, message):
            return self.private_key.sign(message)

    return Algorithm


class OneKey(HTTPSignatureKeyResolver):
    """Finds the one key that we have."""

    def __init__(self, key):
        self.key = key

    def resolve_private_key(self, key_id):
        return self.key


def sign(method, url, key_file, body=b"", expires_in_s=60, now=None):
    """Headers that sign the request."""
    name, key = read_key(key_file)
    now = now or datetime.datetime.now(datetime.timezone.utc)
    message = SimpleNamespace(method=method, url=url, headers=CaseInsensitiveDict())
    signer = HTTPMessageSigner(signature_algorithm=algorithm_of(name), key_resolver=OneKey(key))
    signer.sign(
        message,
        key_id=key.public_key().public_bytes_raw().hex(),
        created=now,
        expires=now + datetime.timedelta(seconds=expires_in_s),
        nonce=secrets.token_urlsafe(16),
        label=LABEL,
        covered_component_ids=COMPONENTS,
        body=body or None,
    )
    return dict(message.headers.items())


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description="Sign a request to the Chert API.")
    parser.add_argument("method")
    parser.add_argument("url")
    parser.add_argument("--key", required=True)
    parser.add_argument("--body")
    parser.add_argument("--expires-in", type=int, default=60)
    options = parser.parse_args()
    body = pathlib.Path(options.body).read_bytes() if options.body else b""
    headers = sign(options.method, options.url, options.key, body, options.expires_in)
    for name, value in headers.items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
