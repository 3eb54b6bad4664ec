"""Where a model's thinking ends and its answer begins: what stands in its thinking is a draft and earns nothing.

Families mark their thinking differently; ``MARKS`` is the table. Rules:

1. An opening mark opens the thinking, wherever it stands, the next closing mark of its family ends it; where it was
   opened again inside, so does a second closing mark. Thinking that never ends, the first or a later one, makes the
   whole answer unparsed: what it holds are guesses that a limit cut off.
2. A closing mark without an opening one belongs to thinking that the chat template opened: it began with the text.
3. Marks that are quoted (in quotes, backquotes or before a closing bracket), or that are spoken of in a sentence of the
   answer ("in <think> tags"), are words. A pair in the middle of a line is left out, and what stands before it stays.
4. In the channels of gpt-oss, the last ``final`` channel is the answer. Its marks are often dropped in decoding; what
   is left of them (``analysis...assistantfinal...``) is known too.

Not covered: thinking without marks ("Here is my thought process:"), and marks of a family that is not in the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

NEVER_ENDED: Final = "the thinking never ended"
"""Reason of an answer that holds thinking and nothing else."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What opens and closes the thinking of some families of models; compared without regard to case."""

    opening: str
    closing: str
    families: str
    also_closing: tuple[str, ...] = ()
    """Other marks that end it; they mean something else where it is not open."""


MARKS: Final = (
    Marks("<think>", "</think>", "DeepSeek-R1, Qwen3, QwQ, GLM, MiniMax, SmolLM3, Granite 3.3, Phi-4 reasoning"),
    Marks("<thinking>", "</thinking>", "Reflection, Claude-style prompts"),
    Marks("<thought>", "</thought>", "EXAONE Deep, Marco-o1"),
    Marks("<thoughts>", "</thoughts>", "prompts"),
    Marks("<|thought|>", "<|/thought|>", "prompts"),
    Marks("<scratchpad>", "</scratchpad>", "Claude-style prompts"),
    Marks("<analysis>", "</analysis>", "prompts"),
    Marks("<cot>", "</cot>", "prompts"),
    Marks("<inner_monologue>", "</inner_monologue>", "prompts"),
    Marks("<longcat_think>", "</longcat_think>", "LongCat-Flash-Thinking"),
    Marks("<seed:think>", "</seed:think>", "Seed-OSS"),
    Marks("<reasoning>", "</reasoning>", "prompts of many GRPO recipes"),
    Marks("<reason>", "</reason>", "prompts"),
    Marks("<reflection>", "</reflection>", "Reflection"),
    Marks("[THINK]", "[/THINK]", "Magistral"),
    Marks("[THINKING]", "[/THINKING]", "prompts"),
    Marks("[REASONING]", "[/REASONING]", "prompts"),
    Marks(
        "<|think|>", "<|/think|>", "Solar Open, prompts", ("<|end_think|>", "<|end_of_think|>", "</|think|>", "<|end|>")
    ),
    Marks("<|thinking|>", "<|/thinking|>", "prompts", ("<|end_thinking|>", "<|end_of_thinking|>", "</|thinking|>")),
    Marks("\u25c1think\u25b7", "\u25c1/think\u25b7", "Kimi-VL"),
    Marks("<|begin_of_thought|>", "<|end_of_thought|>", "Sky-T1, OpenThinker"),
    Marks("<|START_THINKING|>", "<|END_THINKING|>", "Command A Reasoning"),
    Marks("<|inner_prefix|>", "<|inner_suffix|>", "Apertus"),
    Marks("<|channel>thought", "<channel|>", "Gemma 4"),
    Marks("<unused94>thought", "<unused95>", "MedGemma"),
)
_FAMILY: Final = {mark.lower(): number for number, pair in enumerate(MARKS) for mark in (pair.opening, pair.closing)}
_ALSO_CLOSING: Final = {mark.lower(): number for number, pair in enumerate(MARKS) for mark in pair.also_closing}
_OPENINGS: Final = frozenset(pair.opening.lower() for pair in MARKS)
_CLOSINGS: Final = frozenset(pair.closing.lower() for pair in MARKS)
_MARK: Final = re.compile(
    "|".join(map(re.escape, sorted((*_FAMILY, *_ALSO_CLOSING), key=len, reverse=True))), re.IGNORECASE
)
_WORD_BEFORE: Final = re.compile(r"[A-Za-z]{2},? \Z")
_QUOTES: Final = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u2018": "\u2019", "\u00ab": "\u00bb"}
_LOOK_BACK: Final = 20
_SHORTEST_TOKEN: Final = 5
_CHANNEL: Final = re.compile(r"<\|channel\|>\s*(\w{1,20})[^<\n]{0,80}(?:<\|constrain\|>[^<\n]{0,40})?<\|message\|>")
_CHANNEL_END: Final = re.compile(r"<\|(?:end|return|start|call)\|>")
_BARE_ANALYSIS: Final = re.compile(r"\s*analysis(?=[A-Z0-9\"'(\[])")
_BARE_FINAL: Final = "assistantfinal"


def final_part(answer: str, *, opened: bool = False) -> str | None:
    """Return an answer without its thinking, or None where the thinking never ended.

    Args:
        answer: What the model wrote.
        opened: Whether the prompt had opened the thinking, or the model was told to think.
    """
    if _CHANNEL.search(answer) or _BARE_ANALYSIS.match(answer):
        return _final_channel(answer)
    spans = _spans(answer, opened=opened)
    if any(end is None for _, end in spans):
        return None
    kept, position = [], 0
    for start, end in spans:
        kept.append(answer[position:start])
        position = end or 0
    return "\n".join([*kept, answer[position:]]) if spans else answer


def opens_thinking(prompt: str) -> bool:
    """Tell whether a prompt ends in an opening mark, so that the answer begins inside the thinking."""
    return prompt.rstrip().lower().endswith(tuple(_OPENINGS))


def mentions_thinking(template: str) -> bool:
    """Tell whether a chat template knows any mark: a model with such a template may think unasked."""
    return _MARK.search(template) is not None or "<|channel|>" in template


def mark_tokens(special_tokens: Sequence[str]) -> frozenset[str]:
    """Return those of a tokenizer's special tokens that mark thinking: dropping them in decoding would hide it."""
    channels = {"<|channel|>", "<|message|>", "<|start|>", "<|end|>", "<|return|>"}
    # Gemma writes "<|channel>" and the word "thought", of which only the first is a token.
    marks = {
        token
        for token in special_tokens
        if len(token) >= _SHORTEST_TOKEN and any(mark.startswith(token.lower()) for mark in _FAMILY)
    }
    known = {token.lower() for token in special_tokens}
    ends = {mark for pair in MARKS if pair.opening.lower() in known for mark in pair.also_closing}
    marks |= {token for token in special_tokens if token.lower() in ends}
    return frozenset(marks | (channels & set(special_tokens) if "<|channel|>" in special_tokens else set()))


def cut_at_stops(answer: str, stops: Sequence[str], *, opened: bool = False) -> str:
    """Return an answer up to the first stop string that stands outside its thinking.

    Args:
        answer: What the model wrote, stop strings included.
        stops: The stop strings.
        opened: As for ``final_part``.
    """
    if _CHANNEL.search(answer):
        last = [found.end() for found in _CHANNEL.finditer(answer) if found[1] == "final"][-1:]
        spans: list[tuple[int, int | None]] = [(0, last[0] if last else None)]
    else:
        spans = _spans(answer, opened=opened)
    places = [place for stop in stops if stop and (place := _first_outside(answer, stop, spans)) is not None]
    return answer[: min(places)] if places else answer


def _first_outside(answer: str, stop: str, spans: Sequence[tuple[int, int | None]]) -> int | None:
    place = answer.find(stop)
    for start, end in spans:
        if 0 <= place < start:
            break
        place = -1 if end is None else answer.find(stop, max(end, place))
    return place if place >= 0 else None


def _spans(answer: str, *, opened: bool) -> list[tuple[int, int | None]]:
    """Return where an answer thinks: start and end of each stretch, None for an end that never came."""
    found = [match for match in _MARK.finditer(answer) if not _quoted(answer, match)]
    last_closing = {_FAMILY[mark]: match.start() for match in found if (mark := match.group().lower()) in _CLOSINGS}
    closings = (match for match in found if match.group().lower() in _CLOSINGS and not _in_sentence(answer, match))
    first_closing = next(closings, None)
    first_opening = next((match for match in found if match.group().lower() in _OPENINGS), None)
    before_any = first_closing is not None and (first_opening is None or first_closing.start() < first_opening.start())
    spans: list[tuple[int, int | None]] = []
    start, family, inner = 0 if opened or before_any else None, None, 0
    last_family: int | None = None
    for match in found:
        mark = match.group().lower()
        if start is None and mark in _OPENINGS:
            if last_closing.get(_FAMILY[mark], -1) > match.start() or not _spoken_of(answer, match):
                start, family, inner = match.start(), _FAMILY[mark], 0
        elif start is None and mark in _CLOSINGS and inner > 0 and last_family == _FAMILY[mark]:
            spans[-1], inner = (spans[-1][0], match.end()), inner - 1  # it was opened again inside
        elif start is not None and mark in _OPENINGS and family is None and not answer[: match.start()].strip():
            family = _FAMILY[mark]  # the model repeats what the template had opened
        elif start is not None and mark in _OPENINGS and family == _FAMILY[mark]:
            inner += 1
        elif start is not None and _ends(mark, family):
            spans.append((start, match.end()))
            start, family, last_family = None, None, _FAMILY.get(mark, family)
    if start is not None:
        spans.append((start, None))
    return spans


def _ends(mark: str, family: int | None) -> bool:
    """Tell whether a mark ends the thinking that is open."""
    if mark in _CLOSINGS:
        return family in (None, _FAMILY[mark])
    return family is not None and _ALSO_CLOSING.get(mark) == family


def _spoken_of(answer: str, mark: re.Match[str]) -> bool:
    """Tell whether an opening mark is a word of a sentence: "in <think> tags"."""
    behind = answer[mark.end() : mark.end() + 1]
    if behind == "" or behind not in " ,.;:?!)":
        return False
    return _WORD_BEFORE.search(answer, max(0, mark.start() - _LOOK_BACK), mark.start()) is not None


def _in_sentence(answer: str, mark: re.Match[str]) -> bool:
    """Tell whether a mark has words on both sides of it, apart from it by spaces: it is spoken of."""
    around = answer[mark.start() - 1 : mark.start()], answer[mark.end() : mark.end() + 1]
    return around[0] == " " and around[1] != "" and around[1] in " ,.;:?!"


def _quoted(answer: str, mark: re.Match[str]) -> bool:
    before, behind = answer[mark.start() - 1 : mark.start()], answer[mark.end() : mark.end() + 1]
    return behind == ")" or (before != "" and _QUOTES.get(before) == behind)


def _final_channel(answer: str) -> str | None:
    finals = [found for found in _CHANNEL.finditer(answer) if found[1] == "final"]
    if finals:
        return _CHANNEL_END.split(answer[finals[-1].end() :], maxsplit=1)[0]
    if _CHANNEL.search(answer) is None and _BARE_FINAL in answer:
        return answer.rpartition(_BARE_FINAL)[2]
    return None
