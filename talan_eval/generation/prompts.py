"""Prompts as a backbone sees them, and whether they fit into its context: lm-eval would cut a prompt's start."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from talan_core.errors import UserError
from talan_core.training.rendering import prompt_ids
from talan_core.training.template_date import fix_date, reads_date
from talan_eval.tasks.lm_eval_task import is_generated

QUESTION: Final = "QUESTION"

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transformers import PreTrainedTokenizerBase

    from talan_core.backbones.load import Revision
    from talan_eval.experiment import TaskSpec
    from talan_eval.generation_settings import GenerationSettings
    from talan_eval.tasks.benchmark import Benchmark


def open_tokenizer(revision: Revision, settings: GenerationSettings) -> PreTrainedTokenizerBase:
    """Load a backbone's tokenizer as training, probe and evaluation all see it.

    Args:
        revision: Where the backbone is.
        settings: Whether there are chat turns, and the date that their template writes.

    Returns:
        The tokenizer, its chat template writing the fixed date, or without one where prompts are plain.
    """
    from talan_core.backbones.load import load_tokenizer  # noqa: PLC0415 - heavy

    tokenizer = load_tokenizer(revision)
    if not settings.chat_template:
        tokenizer.chat_template = None
    elif settings.template_date is not None:
        fix_date(tokenizer, dt.date.fromisoformat(settings.template_date))
    return tokenizer


def settled(settings: GenerationSettings, revisions: Sequence[Revision]) -> GenerationSettings:
    """Drop the date where no chat template reads one, so that it is no part of the identity there.

    Args:
        settings: As asked for, with a date.
        revisions: The backbones of an experiment.
    """
    from talan_core.backbones.load import load_tokenizer  # noqa: PLC0415 - heavy

    if settings.chat_template and any(reads_date(load_tokenizer(revision).chat_template) for revision in revisions):
        return settings
    return dataclasses.replace(settings, template_date=None)


def chat_renderer(tokenizer: PreTrainedTokenizerBase, settings: GenerationSettings) -> Callable[..., str] | None:
    """Return what turns a conversation into a prompt, or None where prompts are plain text.

    Args:
        tokenizer: The backbone's tokenizer.
        settings: Whether the chat template is used, and with thinking or not where it has that switch. Without the
            switch being set, a template may think, while adapters are trained on answers without thinking.
    """
    if not settings.chat_template or not tokenizer.chat_template:
        return None
    switch: dict[str, Any] = {"enable_thinking": settings.thinking} if has_thinking_switch(tokenizer) else {}

    def render(history: list[dict[str, str]], *, add_generation_prompt: bool = True) -> str:
        return str(
            tokenizer.apply_chat_template(
                history,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                continue_final_message=not add_generation_prompt,
                **switch,
            )
        )

    return render


def frame_of(tokenizer: PreTrainedTokenizerBase, settings: GenerationSettings) -> str:
    """Return what a tokenizer's chat template writes around a question, which stands as ``QUESTION``."""
    render = chat_renderer(tokenizer, settings)
    return QUESTION if render is None else render([{"role": "user", "content": QUESTION}])


def has_thinking_switch(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Tell whether a tokenizer's chat template knows ``enable_thinking``."""
    return "enable_thinking" in str(tokenizer.chat_template)


def check_backbone(
    revision: Revision,
    settings: GenerationSettings,
    benchmarks: Sequence[Benchmark],
    *,
    tokenizer_at: Revision | None = None,
) -> None:
    """Raise where a backbone cannot be asked as wanted; reads its tokenizer and configuration, not its weights.

    Args:
        revision: Where the backbone is.
        settings: How to ask.
        benchmarks: What to ask.
        tokenizer_at: Where the tokenizer is by which it is asked; None for its own.

    Raises:
        UserError: It has no thinking switch but is to think, its chat template fails or leaves questions out, or a
            prompt does not fit.
    """
    from lm_eval.models.utils import resolve_max_length  # noqa: PLC0415 - heavy
    from transformers import AutoConfig  # noqa: PLC0415 - heavy

    tokenizer = open_tokenizer(tokenizer_at or revision, settings)
    if settings.thinking and not has_thinking_switch(tokenizer):
        raise UserError(
            f"The chat template of {revision.location} has no switch for thinking.",
            "Leave --thinking out, or type --backbone with a model that has it, such as Qwen/Qwen3-8B.",
        )
    _check_template(tokenizer, settings, (tokenizer_at or revision).location)
    config = AutoConfig.from_pretrained(revision.location, revision=revision.commit, trust_remote_code=False)
    context = int(resolve_max_length(config, tokenizer))
    for benchmark in benchmarks:
        requests = benchmark.requests(chat_renderer(tokenizer, settings))
        written = is_generated(benchmark)
        asked = [str(request.args[0]) + ("" if written else str(request.args[1])) for request in requests]
        check_prompts_fit(benchmark.spec, tokenizer, asked, context)


def _check_template(tokenizer: PreTrainedTokenizerBase, settings: GenerationSettings, where: str) -> None:
    """Refuse a chat template that cannot put a question: it may come with a checkpoint of somebody else."""
    fix = "Mend the template, or ask in plain text: --no-chat-template"
    try:
        frame = frame_of(tokenizer, settings)
    except Exception as error:  # a template is a program
        said = " ".join(str(error).split())[:200]
        raise UserError(f"The chat template of {where} fails: {type(error).__name__}: {said}", fix) from error
    if QUESTION not in frame:
        raise UserError(f"The chat template of {where} leaves the question out.", fix)


def check_prompts_fit(spec: TaskSpec, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], context: int) -> None:
    """Raise where a prompt with the longest answer needs more tokens than there are.

    Args:
        spec: The benchmark.
        tokenizer: The backbone's tokenizer.
        prompts: The prompts as the model sees them.
        context: Most tokens of prompt and answer together.

    Raises:
        UserError: At least one prompt is too long; the message says for how many tokens there is room.
    """
    lengths = [len(prompt_ids(tokenizer, prompt)) for prompt in prompts]
    room = context - max(lengths)
    if room >= spec.max_tokens:
        return
    cut = sum(length + spec.max_tokens > context for length in lengths)
    fix = f"Type --max-tokens {room}" if room > 0 else "Ask for fewer examples with --few-shot, or other --tasks"
    raise UserError(
        f"{cut} of the {len(lengths)} prompts of {spec.name} (up to {max(lengths)} tokens) leave no room for an answer "
        f"of {spec.max_tokens} tokens in the backbone's context of {context}.",
        f"{fix}, or a --backbone with a longer context.",
    )
