"""What was trained and asked, and on which machine, in sentences: as far as the result says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import JsonValue

    from talan_eval.result.schema import Result

_SHOWN: Final = ("r", "alpha", "dropout")
_HASH: Final = 12
_USUAL_OPTIMIZER: Final = "adamw"  # records leave it out
_Record = dict[str, "JsonValue"]

_FURTHER: Final[Mapping[str, str]] = {
    "warmup_ratio": "a warm-up share of", "weight_decay": "weight decay",
    "max_grad_norm": "gradients clipped at norm", "max_length": "at most so many tokens an example:",
    "accumulation": "micro-batches per step:",
}  # fmt: skip
"""What else of a recipe is needed to repeat it, and how it is said."""


def recipe(result: Result) -> tuple[str, ...]:
    """Return backbones, recipe, decoding and hardware; of logs, which harness wrote them. Nothing is guessed."""
    experiment = _record(result.provenance.get("experiment"))
    if not experiment:
        harness = result.provenance.get("harness")
        return (f"Scores were read from logs ({harness}).",) if isinstance(harness, str) else ()
    trains = not experiment.get("stored") or any(arm.kind == "trained" for arm in result.arms)
    return (
        *_backbones(experiment, trains=trains),
        *_stored(experiment),
        *_adapters(result),
        *_decoding(experiment),
        *_hardware(result),
        *_software(experiment),
    )


def _backbones(experiment: _Record, *, trains: bool) -> Iterator[str]:
    """Yield each backbone with how its adapters were trained, if any; the first version knew one."""
    listed = [one for one in _list(experiment.get("backbones")) if one]
    for one in listed or [{**experiment, "identity": experiment.get("backbone")}]:
        identity, training = _record(one.get("identity")), _record(one.get("training"))
        if identity.get("name") is not None:
            yield f"The backbone is {identity['name']}{_revision(identity)}."
        if training and trains:
            yield _trained(training, experiment)


def _stored(experiment: _Record) -> Iterator[str]:
    """Yield what was trained elsewhere."""
    said = [f"{one.get('name')} ({one.get('what')}, {one.get('where')})" for one in _list(experiment.get("stored"))]
    if said:
        yield f"Stored arms, trained elsewhere with recipes that are not known here: {', '.join(said)}."


def _revision(identity: Mapping[str, JsonValue]) -> str:
    for name, label in (("commit", "commit"), ("sha256", "SHA-256")):
        found = identity.get(name)
        if isinstance(found, str):
            return f" ({label} {found[:_HASH]})"
    return ""


def _trained(training: Mapping[str, JsonValue], experiment: _Record) -> str:
    names = [str(one.get("name")) for one in _list(experiment.get("train"))]
    on = f" on the training split{'s' if len(names) > 1 else ''} of {', '.join(names)}" if names else ""
    parts = [
        f"{training['steps']} steps" if "steps" in training else "",
        f"batches of {training['batch_size']}" if "batch_size" in training else "",
        f"a peak learning rate of {training['learning_rate']}" if "learning_rate" in training else "",
        str(training.get("optimizer", _USUAL_OPTIMIZER)),
        f"a {training['schedule']} schedule" if "schedule" in training else "",
        *(f"{text} {training[key]}" for key, text in _FURTHER.items() if training.get(key)),
        "packed examples" if training.get("packing") is True else "",
        str(training["dtype"]) if "dtype" in training else "",
    ]
    return f"Each training took {', '.join(part for part in parts if part)}{on}."


def _software(experiment: _Record) -> Iterator[str]:
    versions = _record(experiment.get("versions"))
    if versions:
        yield f"Software: {', '.join(f'{name} {number}' for name, number in versions.items())}."


def _adapters(result: Result) -> Iterator[str]:
    """Yield the options of the adapters that say how large they are."""
    said = []
    for arm, options in _record(result.provenance.get("adapters")).items():
        known = _record(options)
        shown = [f"{name} = {known[name]}" for name in _SHOWN if known.get(name) is not None]
        if shown:
            said.append(f"{arm} ({', '.join(shown)})")
    if said:
        yield f"Adapters: {', '.join(said)}."


def _decoding(experiment: _Record) -> Iterator[str]:
    by_way: dict[str, list[str]] = {}
    for task in _list(experiment.get("tasks")):
        asked = _record(task.get("generation")) or _record(task.get("asking"))
        if asked:
            by_way.setdefault(_way(asked, task.get("max_tokens")), []).append(str(task.get("name")))
    for way, names in by_way.items():
        which = "" if len(by_way) == 1 else f" ({', '.join(names)})"
        yield f"Answers were {way}{which}."


def _way(asked: Mapping[str, JsonValue], most: JsonValue) -> str:
    greedy = asked.get("temperature") == 0
    how = (
        "decoded greedily"
        if greedy
        else f"sampled at temperature {asked.get('temperature')}, top-p {asked.get('top_p')}"
    )
    parts = [f"{how}, {asked.get('samples', 1)} per question"]
    if isinstance(most, int) and most > 0:
        parts.append(f"at most {most} tokens")
    if asked.get("few_shot"):
        parts.append(f"{asked['few_shot']} worked examples")
    parts.append("chat template" if asked.get("chat_template") else "plain text")
    return ", ".join(parts)


def _hardware(result: Result) -> Iterator[str]:
    machine = _record(result.provenance.get("machine"))
    known = [str(machine[name]) for name in ("device", "architecture", "system") if machine.get(name)]
    if known:
        yield f"Hardware: {', '.join(known)}."


def _record(value: JsonValue) -> _Record:
    return value if isinstance(value, dict) else {}


def _list(value: JsonValue) -> list[_Record]:
    return [_record(one) for one in value] if isinstance(value, list) else []
