"""Which files of a model's directory can change its answers, and their hash."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from talan_core.bounded import open_regular
from talan_core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WEIGHTS: Final = ("*.safetensors", "*.bin")
_VOCABULARY: Final = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "*.tiktoken")
_PROSE: Final = frozenset({"readme", "license", "licence", "notice", "copying", "authors", "citation", "changelog"})
_PROSE_ENDINGS: Final = frozenset({"", ".md", ".txt", ".rst", ".cff", ".bib"})
_IMAGES: Final = frozenset({".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp"})
_NEVER_READ: Final = frozenset({".git", ".cache", "__pycache__"})
_DESKTOP: Final = frozenset({".gitattributes", ".gitignore", ".DS_Store"})


def hash_files(directory: Path) -> str:
    """Return the SHA-256 over every file of a model's directory that can change an answer.

    Configuration, generation settings, adapters, chat templates, remote code and vocabularies count as the weights do,
    in subdirectories as well. What is left out is known to change nothing (see ``can_change_an_answer``); a file of
    unknown use is taken in. Two directories have equal hashes if these files have equal names and bytes.

    Not covered: files outside the directory to which one inside points by name, other than by a symbolic link.

    Args:
        directory: A model directory as written by ``save_pretrained``.

    Raises:
        UserError: It holds no weights or no tokenizer, or a file cannot be read.
    """
    for what, patterns in (("weights", _WEIGHTS), ("tokenizer", _VOCABULARY)):
        if not any(found for pattern in patterns for found in directory.glob(pattern)):
            raise UserError(
                f"The directory {directory} holds no {what}.",
                "Type --backbone with a directory into which model and tokenizer were saved by save_pretrained.",
            )
    names = (file.relative_to(directory).as_posix() for file in _files(directory))
    return hash_named(directory, sorted(name for name in names if can_change_an_answer(name)))


def hash_named(directory: Path, names: Iterable[str]) -> str:
    """Return the SHA-256 over names and bytes of some files of a directory.

    Args:
        directory: Where they are.
        names: Their paths in it, with slashes, in the order in which they are hashed.

    Raises:
        UserError: A file cannot be read.
    """
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode() + b"\0")
        path = directory / name
        try:
            with open_regular(path) as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        except OSError as error:
            raise UserError(
                f"The file {path} cannot be read: {error.strerror}.",
                "Make it readable, or save the model into another directory, and run again.",
            ) from error
    return digest.hexdigest()


def can_change_an_answer(name: str) -> bool:
    """Tell whether a file of a model's directory counts for its identity.

    Args:
        name: Its path inside the directory, with slashes.

    Returns:
        False for what no loader reads: a readme, licence or citation by its usual name, images, and what git, the Hub's
        client, Python and a desktop leave behind. True for everything else.
    """
    *folders, file = name.split("/")
    if _NEVER_READ.intersection(folders) or file in _DESKTOP:
        return False
    stem, dot, ending = file.lower().rpartition(".")
    stem, ending = (stem, dot + ending) if dot else (file.lower(), "")
    return not (ending in _IMAGES or (stem in _PROSE and ending in _PROSE_ENDINGS))


def _files(directory: Path) -> Iterator[Path]:
    """Find all files, also behind symbolic links, each directory once; one that cannot be listed is an error."""
    seen: set[str] = set()

    def refuse(error: OSError) -> None:
        raise UserError(
            f"The directory {error.filename} of the backbone cannot be read: {error.strerror}.",
            "Make it readable, or save the model into another directory, and run again.",
        ) from error

    for folder, folders, files in os.walk(directory, onerror=refuse, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(set(folders) - _NEVER_READ)
        yield from (Path(folder, file) for file in files)
