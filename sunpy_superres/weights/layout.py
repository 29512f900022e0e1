"""
What a model is on disk: the names of its files, and their hashes. Imports no torch.
"""

import hashlib
from pathlib import Path

__all__ = ["CARD", "CONFIG", "FORMAT", "TRAINING", "VERIFICATION", "WEIGHTS", "git_hash_of", "sha256_of"]

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
#: The model card.
CARD = "README.md"
#: An input and what the model makes of it.
VERIFICATION = "verification.safetensors"
#: How the weights came about.
TRAINING = "training.json"
#: Version of the layout of these files.
FORMAT = 1


def sha256_of(path):
    """
    SHA-256 of a file, as hexadecimal digits.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_hash_of(path):
    """
    Name that git gives the content of a file, as hexadecimal digits (``git hash-object``).
    """
    content = Path(path).read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
