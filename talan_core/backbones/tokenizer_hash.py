"""Whether two tokenizers ask alike: a hash over what makes text and tokens of a conversation."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_OF_BATCHES: Final = ("padding", "truncation")
"""What trainers set in a tokenizer and save, and no prompt of ours depends on."""


def tokenizer_hash(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the SHA-256 over vocabulary, rules, chat template and special tokens; padding and truncation are left out.

    Equal hashes mean equal prompts and tokens. The reverse is not promised: a rule that never acts counts as well.

    Args:
        tokenizer: As it was loaded.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    rules: dict[str, Any] = {"vocabulary": tokenizer.get_vocab(), "class": type(tokenizer).__name__}
    if backend is not None:
        rules = {key: value for key, value in json.loads(backend.to_str()).items() if key not in _OF_BATCHES}
    asked = {
        "rules": rules,
        "template": tokenizer.chat_template,
        "ends": [tokenizer.bos_token, tokenizer.eos_token],
        "special": sorted(map(str, {*tokenizer.all_special_tokens} - {tokenizer.pad_token})),
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def largest_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the largest token id that a tokenizer can write."""
    return max(tokenizer.get_vocab().values(), default=0)
