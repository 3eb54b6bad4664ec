"""The arm grammar: what to train, in one word. "lora", "talan+dora", "talan[slots=2,layer=4]+lora[r=8]", "noise+lora".

An arm is one partner (an adapter of PEFT or a baseline), alone or with a TALAN block beside it, or with the block's
noise control. Options stand in brackets, separated by commas. The partner's brackets also take what of the recipe is to
be the arm's own, as in "lora[lr=2e-4]". Parsing loads neither torch nor PEFT; `build` does.
"""

from __future__ import annotations

import dataclasses
import re
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from talan_core.bounded import real_number, shown, whole_number
from talan_core.config import TalanConfig
from talan_core.errors import UserError, unknown_name
from talan_core.partners import PARTNERS, Partner, PeftPartner, PlainPartner
from talan_core.partners.plain import ActAdd, Base
from talan_core.training_settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from peft import PeftModel
    from transformers import PreTrainedModel

    from talan_core.config import TalanDefaults
    from talan_core.plain import PlainModel

TALAN: Final = "talan"
NOISE: Final = "noise"
DEFAULT_GATE: Final = 0.02  # what three trained blocks on the bundled backbone wrote: 0.013, 0.020, 0.029
_LONGEST: Final = 1000
_PEFT_SEED_LIMIT: Final = 2**31
_SEPARATOR: Final = re.compile(r"\+(?![^\[]*\])")  # a plus sign inside brackets belongs to a number such as 1e+16
_COMPONENT: Final = re.compile(r"(?P<name>[^\[\]]+?)\s*(?:\[(?P<options>[^\[\]]*)\])?")
_EXAMPLE: Final = 'Type for example "lora", "talan+lora" or "talan[slots=2,layer=4]+dora[r=16]".'


@dataclass(frozen=True, kw_only=True)
class TalanOptions:
    """The options that an arm gives for its TALAN block; None leaves a choice to the backbone's operating point.

    The fields are those of `TalanConfig`, which documents them.
    """

    layer: int | float | None = None
    slots: int | None = None
    mixer: str | None = None
    writeback: str | None = None
    scope: str | None = None
    grad_scale: float | None = None
    lr_scale: float | None = None
    d_mem: int | None = None
    heads: int | None = None
    components: int | None = None
    write: str | None = None
    stream: str | None = None

    def __post_init__(self) -> None:
        """Write equal numbers alike, so that equal options give equal names."""
        if self.layer == 0:
            object.__setattr__(self, "layer", 0)
        for name in ("grad_scale", "lr_scale"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, float(value))

    def config(self, defaults: TalanDefaults | None = None) -> TalanConfig:
        """Lay the options over a backbone's operating point.

        Args:
            defaults: The operating point; `TalanConfig()` when None.

        Returns:
            The configuration.

        Raises:
            UserError: If a value is wrong.
        """
        given = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        return dataclasses.replace(TalanConfig() if defaults is None else defaults, **given)


@dataclass(frozen=True, kw_only=True)
class NoiseOptions:
    """The options that an arm gives for its noise block, the control that writes as much as a block but means nothing.

    The fields but `gate` are those of `TalanConfig`, and None leaves a choice to the backbone's operating point. The
    block is drawn from the seed as the TALAN block of the same options is; see `talan_core.writeback.Noise` for what it
    writes and `talan_core.size.matched_gate` for the gate that matches a block which has been trained.

    Args:
        gate: The write has the norm that a gate of this size everywhere would give.
    """

    gate: float = DEFAULT_GATE
    layer: int | float | None = None
    slots: int | None = None
    mixer: str | None = None
    d_mem: int | None = None
    heads: int | None = None
    components: int | None = None
    write: str | None = None
    stream: str | None = None

    def __post_init__(self) -> None:
        """Write equal numbers alike, so that equal options give equal names."""
        if self.layer == 0:
            object.__setattr__(self, "layer", 0)
        object.__setattr__(self, "gate", float(self.gate))

    def config(self, defaults: TalanDefaults | None = None) -> TalanConfig:
        """Lay the options over a backbone's operating point; see `TalanOptions.config`."""
        given = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        gate = given.pop("gate")
        point = TalanConfig() if defaults is None else defaults
        return dataclasses.replace(point, scope="frozen", noise=gate, **given)


@dataclass(frozen=True, kw_only=True)
class RecipeOverrides:
    """What of the recipe is an arm's own; None leaves it to the recipe of all arms.

    These say how the optimizer moves. What says which examples it sees, and in what shape, is the same for all arms of
    an experiment, because pairing rests on it. The fields are those of `TrainingSettings`, which documents them.

    Args:
        lr: The learning rate, of the partner; the block's is this times its `lr_scale`.
    """

    lr: float | None = None
    schedule: str | None = None
    warmup_ratio: float | None = None
    weight_decay: float | None = None
    max_grad_norm: float | None = None

    @property
    def given(self) -> dict[str, Any]:
        """What is given, by the names of `TrainingSettings`."""
        values = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        return {"learning_rate" if name == "lr" else name: value for name, value in values.items()}


@dataclass(frozen=True)
class Arm:
    """What one arm of a comparison trains.

    Args:
        partner: The adapter or baseline and its options.
        block: The options of a TALAN block or of its noise control, or None for an arm without a block.
        overrides: What of the recipe is the arm's own.
    """

    partner: Partner
    block: TalanOptions | NoiseOptions | None = None
    overrides: RecipeOverrides = RecipeOverrides()

    @property
    def talan(self) -> TalanOptions | None:
        """The options of the TALAN block, or None for an arm without one."""
        return self.block if isinstance(self.block, TalanOptions) else None

    @property
    def has_seeds(self) -> bool:
        """Whether it depends on a seed; the backbone as it is does not, and nothing is trained for it."""
        return self.block is not None or not isinstance(self.partner, Base)

    @property
    def is_trained(self) -> bool:
        """Whether training moves anything: not the backbone as it is, alone or beside a block that does not learn."""
        learns = self.talan is not None and self.talan.config().scope != "frozen"
        return learns or not isinstance(self.partner, Base)

    @property
    def is_trained_by_gradients(self) -> bool:
        """Whether a recipe matters to it: not to the backbone as it is, nor to a difference of means."""
        return self.has_seeds and not isinstance(self.partner, ActAdd)

    @property
    def name(self) -> str:
        """The canonical text: equal arms have equal names, and `parse_arm` of the name gives the arm back.

        Options of the partner that equal their default are left out. Options of the block and of the recipe are all
        kept, because their defaults depend on the backbone.
        """
        partner = _written(self.partner.kind, self.partner, self.overrides)
        if self.block is None:
            return partner
        return f"{_written(TALAN if self.talan is not None else NOISE, self.block)}+{partner}"

    def __str__(self) -> str:
        """Return the canonical name."""
        return self.name


def parse_arm(text: str) -> Arm:
    """Read an arm.

    Args:
        text: The arm as typed. The order of components and of options does not matter, nor do spaces.

    Returns:
        The arm.

    Raises:
        UserError: For a name or an option that does not exist (with the nearest one that does), a value of the wrong
            kind or out of range, and combinations that make no arm.
    """
    if len(text) > _LONGEST:
        raise UserError(f"An arm of {len(text):,} letters ({shown(text)}) is none.", _EXAMPLE)
    components: dict[str, str] = {}
    for part in _SEPARATOR.split(text):
        match = _COMPONENT.fullmatch(part.strip())
        if match is None:
            raise UserError(f"The arm {text!r} cannot be read at {part.strip()!r}.", _EXAMPLE)
        name = match["name"].strip()
        if name not in PARTNERS and name not in _BLOCKS:
            raise unknown_name("arm component", name, [*PARTNERS, *_BLOCKS])
        if name in components:
            raise UserError(f"The arm {text!r} names {name!r} twice.", _EXAMPLE)
        components[name] = match["options"] or ""
    blocks = {name: components.pop(name) for name in _BLOCKS if name in components}
    if len(components) != 1 or len(blocks) > 1:
        found = "no partner" if not components else f"{len(components)} partners ({', '.join(components)})"
        raise UserError(
            f"The arm {text!r} has {'two blocks' if len(blocks) > 1 else found}; an arm has exactly one of "
            f"{', '.join(PARTNERS)}, and one of {', '.join(_BLOCKS)} before it or none.",
            _EXAMPLE,
        )
    ((kind, partner_options),) = components.items()
    own, of_recipe = _sorted_out(partner_options)
    partner = _read(PARTNERS[kind], kind, own, also=_RECIPE if blocks or kind != Base.kind else ())
    overrides = _read(RecipeOverrides, kind, of_recipe)
    problems = [*partner.problems(), *_recipe_problems(overrides)]
    if problems:
        raise UserError(f"The arm {text!r} has wrong options: {'; '.join(problems)}.", _EXAMPLE)
    if not blocks:
        return _trained(Arm(partner, overrides=overrides))
    ((name, block_options),) = blocks.items()
    return _trained(Arm(partner, _block(text, partner, name, block_options), overrides))


def _block(text: str, partner: Partner, name: str, block_options: str) -> TalanOptions | NoiseOptions:
    """Read the block of an arm, which stands beside a partner."""
    kind = partner.kind
    if partner.refuses_block:
        raise UserError(
            f"The arm {text!r} is refused: {name} cannot stand beside {kind}, because {partner.refuses_block}.",
            "Use a partner that adapts weights, for example talan+lora.",
        )
    misplaced = _sorted_out(block_options)[1]
    if misplaced:
        raise UserError(
            f"{name} has no option {misplaced.partition('=')[0].strip()!r}: it is of the recipe of the whole arm.",
            f"Type it in the partner's brackets, {name}+{kind}[{misplaced}]; talan[lr_scale=2] multiplies the rate of "
            "the block alone.",
        )
    block: TalanOptions | NoiseOptions = _read(_BLOCKS[name], name, block_options)
    block.config()
    return block


def build(
    model: PreTrainedModel, arm: Arm, *, seed: int, defaults: TalanDefaults | None = None
) -> PeftModel | PlainModel:
    """Make an arm's model: initialise the partner, then attach the block, each from its own random stream.

    The global random state of the caller is left as it was. With the same seed, "X" and "talan+X" have bit-equal
    partners.

    Args:
        model: The backbone. It is changed in place, as `peft.get_peft_model` does; load or copy it anew for each arm.
        arm: What to build.
        seed: The run's seed.
        defaults: The backbone's operating point, over which the arm's options are laid.

    Returns:
        The PEFT model, a `talan_core.model.TalanPeftModel` when the arm has a block, or a
        `talan_core.plain.PlainModel` when the partner is no adapter of PEFT. Before training its outputs are bit-equal
        to the backbone's, but for "pissa" and "hra" (equal up to rounding), "prefix", "prompt" and "noise".

    Raises:
        UserError: If the backbone does not fit the configuration, or has another arm in it.
    """
    import torch  # noqa: PLC0415 - arms are parsed before anything heavy is loaded

    from talan_core.attach import check_untouched  # noqa: PLC0415 - as above
    from talan_core.checkpoint import Provenance  # noqa: PLC0415 - as above
    from talan_core.model import add_talan  # noqa: PLC0415 - as above
    from talan_core.revision import commit_of  # noqa: PLC0415 - as above
    from talan_core.training.pairing import derive_seed, random_state_restored  # noqa: PLC0415 - as above

    block = None if arm.block is None else arm.block.config(defaults)
    check_untouched(model)
    commit_of(model)
    generator = torch.Generator().manual_seed(derive_seed(seed, "talan-init"))
    with random_state_restored(model.device):
        partner_seed = derive_seed(seed, "partner-init")
        torch.manual_seed(partner_seed)
        if not isinstance(arm.partner, PeftPartner):
            plain = _plain(model, arm.partner, TalanConfig() if defaults is None else defaults, partner_seed)
            plain.provenance = Provenance.now(arm.name, seed)
            if block is not None:
                plain.add_talan(block, generator=generator)
            return plain
        adapted = _adapted(model, arm.partner, partner_seed)
        if block is None:
            return adapted
        carrier = add_talan(adapted, block, generator=generator)
        if carrier.talan is not None:
            carrier.talan.provenance = Provenance.now(arm.name, seed)
        return carrier


def _adapted(model: PreTrainedModel, partner: PeftPartner, seed: int) -> PeftModel:
    from peft import get_peft_model  # noqa: PLC0415 - arms are parsed before anything heavy is loaded

    from talan_core.exact import adapted  # noqa: PLC0415 - as above

    config = partner.peft_config(model, seed % _PEFT_SEED_LIMIT)
    config.revision = getattr(model.config, "_commit_hash", None)
    return adapted(model, config, lambda: get_peft_model(model, config))


def _plain(model: PreTrainedModel, partner: Partner, defaults: TalanDefaults, seed: int) -> PlainModel:
    import torch  # noqa: PLC0415 - arms are parsed before anything heavy is loaded

    from talan_core.plain import PlainModel  # noqa: PLC0415 - as above

    if not isinstance(partner, PlainPartner):
        raise TypeError(f"{partner.kind} is neither an adapter of PEFT nor a plain partner")
    asked = partner.layer_of(defaults.layer)
    layer = None if asked is None else max(_layer(model, asked), _layer(model, partner.lowest_layer))
    return PlainModel(model, partner, layer=layer, generator=torch.Generator().manual_seed(seed))


def _layer(model: PreTrainedModel, layer: float) -> int:
    """Return the number of a layer that is given as a number or as a share of the depth; a UserError if it is none."""
    shape = model.config.get_text_config()
    return int(TalanConfig(layer=layer).resolve(shape.hidden_size, shape.num_hidden_layers).layer)


_BLOCKS: Final[Mapping[str, type[TalanOptions | NoiseOptions]]] = {TALAN: TalanOptions, NOISE: NoiseOptions}

_RECIPE: Final = tuple(item.name for item in dataclasses.fields(RecipeOverrides))
_LONG_RATE: Final = re.compile(r"^learning_rate(?=\s*=)")  # as the recipe of all arms calls it

_OptionsT = TypeVar("_OptionsT", bound="Partner | TalanOptions | NoiseOptions | RecipeOverrides")


def _sorted_out(text: str) -> tuple[str, str]:
    """Split options into those of the component itself and those of the recipe, each of which has one name."""
    items = [_LONG_RATE.sub("lr", piece.strip()) for piece in text.split(",")]
    of_recipe = [item for item in items if item.partition("=")[0].strip() in _RECIPE]
    return ",".join(item for item in items if item not in of_recipe), ",".join(of_recipe)


def _recipe_problems(overrides: RecipeOverrides) -> list[str]:
    try:
        TrainingSettings(steps=1, **overrides.given)
    except UserError as error:
        return [line.strip() for line in error.problem.splitlines()[1:]]
    return []


def _trained(arm: Arm) -> Arm:
    """Return an arm, unless it has a recipe and is not trained by gradients."""
    if arm.overrides.given and not arm.is_trained_by_gradients:
        raise UserError(
            f"The arm {arm.name!r} has a recipe, and nothing of it is trained by gradients.",
            f"Type {arm.partner.kind} without {', '.join(arm.overrides.given)}.",
        )
    return arm


def _written(name: str, *options: Partner | TalanOptions | NoiseOptions | RecipeOverrides) -> str:
    """Write a component with the options that differ from their default, in the order of their declaration."""
    given = [
        f"{item.name}={getattr(some, item.name)}"
        for some in options
        for item in dataclasses.fields(some)
        if getattr(some, item.name) != item.default
    ]
    return f"{name}[{','.join(given)}]" if given else name


def _unknown_option(component: str, name: str, names: Sequence[str]) -> UserError:
    if not names:
        return UserError(f"{component} takes no options, and {name!r} is given.", f"Type {component} without brackets.")
    return UserError(f"{component} has no option {name!r}.", unknown_name("option", name, names).fix)


def _read(cls: type[_OptionsT], component: str, text: str, also: Sequence[str] = ()) -> _OptionsT:
    """Read "a=1,b=2" into a dataclass of options, collecting every wrong value into one error.

    Args:
        cls: The dataclass.
        component: What the options are of.
        text: The options.
        also: Names that the component takes elsewhere, to be named in an error.
    """
    types = typing.get_type_hints(cls)
    names = [item.name for item in dataclasses.fields(cls)]
    values: dict[str, Any] = {}
    problems: list[str] = []
    for item in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, value = (piece.strip() for piece in item.partition("="))
        if name not in names:
            raise _unknown_option(component, name, [*names, *also])
        if name in values:
            problems.append(f"{name} is given twice")
        elif not (equals and value):
            problems.append(f"{name} has no value")
        else:
            try:
                values[name] = _value(value, types[name])
            except ValueError:
                problems.append(f"{name}={value}: not {_kind(types[name])}")
    if problems:
        raise UserError(f"{component} has wrong options: {'; '.join(problems)}.", _EXAMPLE)
    return cls(**values)


def _accepted(hint: Any) -> tuple[type, ...]:  # noqa: ANN401 - a type, or a union of types
    return tuple(kind for kind in (typing.get_args(hint) or (hint,)) if kind is not type(None))


def _value(text: str, hint: Any) -> int | float | str:  # noqa: ANN401 - a type, or a union of types
    """Read a value as the first type that takes it; "16" and "16.0" are the same number where a float is meant."""
    for kind in (int, float, str):
        if kind not in _accepted(hint):
            continue
        try:
            return _READERS[kind](text)
        except ValueError:
            continue
    raise ValueError(text)


_READERS: Final[Mapping[type, Callable[[str], int | float | str]]] = {int: whole_number, float: real_number, str: str}


def _kind(hint: Any) -> str:  # noqa: ANN401 - a type, or a union of types
    return "an integer" if _accepted(hint) == (int,) else "a number"
