"""TalanConfig: the six axes pi = (l*, T, m, w, tau, gamma) of TALAN (Zhang et al., 2026), validated and documented.

Importing this module loads no tensor library, so a command line can check a configuration before anything heavy starts.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from talan_core.errors import UserError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT_VERSION: Final = 1
"""Version of the JSON form of `TalanConfig`; raised when an old file can no longer be read as it stands."""

MIXERS: Final[Mapping[str, str]] = {
    "multihead_local": "H = MHA(X, Z, Z): each position attends over its own T memory slots (Zhang et al., 2026)",
    "cross_attn": "one-head cross-attention without biases on normalised slots (name of Zhang et al., 2026; form ours)",
    "ensemble": "K multihead_local components, mixed by softmax weights (after Zhang et al., 2026; form ours)",
    "glu": "H = W_o(silu(W_q x) * W_v mean(Z)): a token gates what it reads, by channel (ours)",
}
"""Stage 2 by name; `talan_core.mixers.MIXERS` holds the classes."""

WRITEBACKS: Final[Mapping[str, str]] = {
    "gate": "h + g * H with a learned gate vector g that starts at zero (Zhang et al., 2026)",
    "direct": "h + H, where H starts at zero because its output projection does (Zhang et al., 2026; zero start ours)",
}
"""Stage 3 by name; `talan_core.writeback.WRITEBACKS` holds the classes."""

SCOPES: Final[Mapping[str, str]] = {
    "all": "every parameter of the block is trained",
    "gate": "only the gate vector is trained",
    "gate_and_bias": "the gate vector and the attention biases of the mixer are trained",
    "frozen": "nothing is trained: the block is active but keeps its initial values (a control)",
}
"""Which parameters of the block are trained (the axis tau of Zhang et al., 2026; the four scopes are ours)."""

WRITES: Final[Mapping[str, str]] = {
    "plain": "H as the mixer makes it: of one size at every depth, because the block's input is normalised",
    "rms": "H times the root mean square of the residual stream, so that a gate means the same share at every depth",
}
"""What is written (ours). The residual stream grows with depth: a plain write is a smaller share of it there."""

STREAMS: Final[Mapping[str, str]] = {
    "native": "the residual stream keeps its type: in bfloat16 most of a small write is rounded away",
    "float32": "from the block on the residual stream is added up in float32; layers still compute in their own type",
}
"""In which type the write is added (ours). In float32 a bfloat16 backbone rounds less, which changes logits even where
the block writes nothing: compare such an arm with `talan[scope=frozen,stream=float32]+X`, whose stream is the same."""

WITHOUT_BIASES: Final = frozenset({"cross_attn"})
"""Mixers that have no attention biases, so that the scope `gate_and_bias` would be `gate` under another name."""

DEFAULT_COMPONENTS: Final = 3
"""Components of the ensemble mixer when nothing is said (ours)."""

_SMALLEST_WIDTH: Final = 16
_WIDTHS: Final = ((256, _SMALLEST_WIDTH), (511, 32), (1023, 64), (4095, 256))
_WIDEST: Final = 512


def default_d_mem(hidden_size: int) -> int:
    """Choose the block's width for a backbone.

    The widths keep the block at or below about 0.2 % of the parameters of a backbone of 100 M parameters or more: 64
    below a hidden size of 1024, 256 below 4096, 512 from there on. For toy backbones (hidden size below 512) we use 16
    or 32, which keeps the block below one percent of a model of one million parameters. All of these are our choice,
    not the paper's.

    Args:
        hidden_size: Width d of the residual stream.

    Returns:
        The width m of memory and mixer.
    """
    return next((width for limit, width in _WIDTHS if hidden_size <= limit), _WIDEST)


def _axis(default: Any, symbol: str, text: str) -> Any:  # noqa: ANN401 - dataclasses.field is typed by its default
    """Declare a field with the paper's symbol and the help text that the command line shows."""
    return field(default=default, metadata={"symbol": symbol, "help": text})


@dataclass(frozen=True, kw_only=True)
class TalanConfig:
    """One point pi = (l*, T, m, w, tau, gamma) of the design space of TALAN, plus the widths that realise it.

    The six axes are those of Zhang et al. (2026); choosing them changes neither the objective, nor the data, nor the
    recipe of the low-rank adapter. The seed of the initial values is no field: it belongs to the run.

    Args:
        layer: Insertion point l*. An integer is a decoder layer whose *input* is written to (0 is the embedding
            output); a fraction in [0, 1) is a share of the depth, rounded down.
        slots: Memory size T, the number of latent slots.
        mixer: Stage 2, a name from `MIXERS`.
        writeback: Stage 3, a name from `WRITEBACKS`.
        scope: What is trained, a name from `SCOPES`.
        grad_scale: gamma, a factor on the gradient that reaches the block's parameters.
        lr_scale: A factor on the learning rate of the block's parameters.
        d_mem: Width m of memory and mixer; None chooses it with `default_d_mem`.
        heads: Attention heads in memory and mixer; must divide the width.
        components: Number K of components of the mixer `ensemble`; the other mixers have one.
        write: How H is scaled, a name from `WRITES`.
        stream: In which type the residual stream is added up from the block on, a name from `STREAMS`.
        noise: A control, not an axis. If given, the block writes a random direction of the norm that it would write
            with every |gate| equal to this number; see `talan_core.writeback.Noise`. Needs scope="frozen".

    Raises:
        UserError: One error that names every field that is wrong.
    """

    layer: int | float = _axis(
        0.125,
        "l*",
        "Decoder layer whose input is written to, 0 being the embedding output, or a share of the depth in [0, 1). "
        "Zhang et al. (2026) insert at layer 4 of 36 (Qwen3-8B), 12 of 64 (Qwen3-32B), or at the embedding output. "
        "The default share is ours.",
    )
    slots: int = _axis(
        2,
        "T",
        "Memory slots. In Zhang et al. (2026) few are best: T = 2 has the largest mean gain, T = 6 to 8 the smallest.",
    )
    mixer: str = _axis("multihead_local", "m", "How memory becomes a perturbation of each token (Zhang et al., 2026).")
    writeback: str = _axis("gate", "w", "How the perturbation enters the residual stream (Zhang et al., 2026).")
    scope: str = _axis(
        "all", "tau", "Which parameters of the block are trained (axis of Zhang et al., 2026; scopes ours)."
    )
    grad_scale: float = _axis(
        1.0,
        "gamma",
        "Factor on the gradient of the block's parameters (Zhang et al., 2026). AdamW is scale-free, so it has next to "
        "no effect there except through the clipping of the block's gradient; lr_scale changes the step itself.",
    )
    lr_scale: float = _axis(
        1.0, "", "Factor on the block's learning rate. Ours: it does what grad_scale cannot under AdamW."
    )
    d_mem: int | None = _axis(
        None, "", "Width of memory and mixer; chosen from the backbone's width when left out. Ours."
    )
    heads: int = _axis(4, "", "Attention heads in memory and mixer; must divide the width. Ours.")
    components: int = _axis(
        DEFAULT_COMPONENTS,
        "",
        "Components of mixer=ensemble (the paper's audit has ensembles; the default number is ours).",
    )
    write: str = _axis("plain", "", "Whether the write scales with the residual stream. Ours.")
    stream: str = _axis("native", "", "The type in which the write is added to the residual stream. Ours.")
    noise: float | None = _axis(
        None, "", "Control: write a random direction of the norm that gates of this size would write. Ours."
    )

    def __post_init__(self) -> None:
        """Check all fields and raise one error that names each wrong one."""
        problems = [*_number_problems(self), *_name_problems(self), *_combination_problems(self)]
        if problems:
            raise UserError(
                "The TALAN configuration is wrong:\n" + "\n".join(f"  {problem}" for problem in problems),
                "Set these fields to a valid value, for example talan[layer=4,slots=2,scope=all].",
            )

    @property
    def is_resolved(self) -> bool:
        """Whether layer and width are the actual numbers for one backbone."""
        return isinstance(self.layer, int) and self.d_mem is not None

    def resolve(self, hidden_size: int, num_layers: int) -> TalanConfig:
        """Fill in what depends on the backbone.

        Args:
            hidden_size: Width d of the residual stream.
            num_layers: Number of decoder layers.

        Returns:
            The same configuration with an integer layer and a width.

        Raises:
            UserError: If the backbone has no such layer, or the heads do not divide the width.
        """
        layer = self.layer if isinstance(self.layer, int) else int(self.layer * num_layers)
        if layer >= num_layers:
            raise UserError(
                f"TALAN layer={layer} does not exist: the backbone has {num_layers} decoder layers.",
                f"Type a layer from 0 to {num_layers - 1}, or a share of the depth such as layer=0.125.",
            )
        width = default_d_mem(hidden_size) if self.d_mem is None else self.d_mem
        return dataclasses.replace(self, layer=layer, d_mem=width)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: the fields, and the format version under "format".

        Options that came later are left out where they are as before: what was trained without them keeps its identity,
        and earlier versions read it.
        """
        later = {name: value for name, value in _BEFORE.items() if getattr(self, name) == value}
        values = {name: value for name, value in dataclasses.asdict(self).items() if name not in later}
        return {"format": FORMAT_VERSION, **values}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TalanConfig:
        """Read the JSON form.

        Args:
            data: What `to_dict` returned. Fields that are missing take their default.

        Returns:
            The configuration.

        Raises:
            UserError: If the format version or a field is not known to this version, or a value is wrong.
        """
        version = data.get("format")
        if version != FORMAT_VERSION:
            raise UserError(
                f"TALAN configuration format {version!r} cannot be read by this version, which reads {FORMAT_VERSION}.",
                "Install the version that wrote it: pip install --upgrade talan-eval",
            )
        names = {item.name for item in dataclasses.fields(cls)}
        values = {name: value for name, value in data.items() if name != "format"}
        for name in values:
            if name not in names:
                raise unknown_name("TALAN option", name, names)
        return cls(**values)


_BEFORE: Final = {"write": "plain", "stream": "native"}
"""What held before an option came, by option."""

TalanDefaults = TalanConfig
"""A backbone's operating point: the configuration that an arm's options are laid over."""


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_int(value) or (isinstance(value, float) and math.isfinite(value))


def _number_problems(config: TalanConfig) -> list[str]:
    """Name each numeric field that is out of range."""
    problems = []
    if not (
        (_is_int(config.layer) and config.layer >= 0) or (isinstance(config.layer, float) and 0.0 <= config.layer < 1.0)
    ):
        problems.append(f"layer={config.layer!r}: must be an integer from 0, or a fraction of the depth in [0, 1)")
    if not (_is_int(config.slots) and config.slots >= 1):
        problems.append(f"slots={config.slots!r}: must be an integer from 1")
    if not (_is_int(config.heads) and config.heads >= 1):
        problems.append(f"heads={config.heads!r}: must be an integer from 1")
    if config.d_mem is not None and not (_is_int(config.d_mem) and config.d_mem >= 1):
        problems.append(f"d_mem={config.d_mem!r}: must be an integer from 1, or left out")
    if not (_is_int(config.components) and config.components >= 1):
        problems.append(f"components={config.components!r}: must be an integer from 1")
    if config.noise is not None and not (_is_number(config.noise) and config.noise > 0):
        problems.append(f"noise={config.noise!r}: must be a positive number, or left out")
    for name in ("grad_scale", "lr_scale"):
        value = getattr(config, name)
        if not (_is_number(value) and value > 0):
            problems.append(f"{name}={value!r}: must be a positive number (scope=frozen trains nothing)")
    return problems


def _name_problems(config: TalanConfig) -> list[str]:
    """Name each field whose value is in no registry, with the nearest valid name."""
    problems = []
    for name, registry in (
        ("mixer", MIXERS),
        ("writeback", WRITEBACKS),
        ("scope", SCOPES),
        ("write", WRITES),
        ("stream", STREAMS),
    ):
        value = getattr(config, name)
        if value not in registry:
            problems.append(f"{name}={value!r}: {unknown_name(name, str(value), registry).fix}")
    return problems


def _combination_problems(config: TalanConfig) -> list[str]:
    """Name each pair of fields that cannot go together; silent about fields that are wrong by themselves."""
    problems = []
    if config.writeback == "direct" and config.scope in {"gate", "gate_and_bias"}:
        problems.append(f"scope={config.scope!r}: writeback='direct' has no gate; use scope=all or writeback=gate")
    if config.mixer in WITHOUT_BIASES and config.scope == "gate_and_bias":
        problems.append(f"scope={config.scope!r}: mixer={config.mixer!r} has no biases; use scope=gate")
    if config.mixer in MIXERS and config.mixer != "ensemble" and config.components != DEFAULT_COMPONENTS:
        problems.append(f"components={config.components!r}: only mixer='ensemble' has components; leave it out")
    if config.noise is not None and config.scope != "frozen" and config.scope in SCOPES:
        problems.append(f"noise={config.noise!r}: a noise block learns nothing; use scope=frozen")
    if _is_int(config.heads) and config.heads >= 1:
        # Every default width is a multiple of the smallest one, so heads that divide that divide them all.
        width = _SMALLEST_WIDTH if config.d_mem is None else config.d_mem
        if _is_int(width) and width >= 1 and width % config.heads != 0:
            origin = "the default widths, multiples of 16" if config.d_mem is None else f"d_mem={width}"
            problems.append(f"heads={config.heads!r}: must divide {origin}")
    return problems
