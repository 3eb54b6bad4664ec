"""What TALAN is trained with, and what it is compared with, as arms write them: "lora", "dora[r=16]", "full".

A partner is one frozen dataclass, whose fields are its options, and one entry in `PARTNERS`, or an entry point of
another package. Importing this package loads neither torch nor PEFT.
"""

from __future__ import annotations

from typing import Any, Final

from talan_core.extensions import Extended
from talan_core.partners.base import Partner, PeftPartner, PlainPartner
from talan_core.partners.bottleneck import Fusion, Houlsby, Pfeiffer
from talan_core.partners.lora import AdaLora, Dora, Lora, Pissa, RsLora, Vera
from talan_core.partners.plain import ActAdd, Base, Full, LoReft, Reft
from talan_core.partners.prompt_learning import PrefixTuning, PromptTuning
from talan_core.partners.weights import IA3, Boft, Hra, Ln, LoHa, LoKr, Miss, Oft

__all__ = ["PARTNERS", "Dora", "Lora", "Partner", "PeftPartner", "PlainPartner", "RsLora"]

_OWN: Final[tuple[type[Partner], ...]] = (
    *(Lora, Dora, RsLora, Pissa, AdaLora, Vera),
    *(IA3, LoHa, LoKr, Oft, Boft, Hra, Miss, Ln),
    *(Base, Full, PrefixTuning, PromptTuning, LoReft, Reft, ActAdd),
    *(Pfeiffer, Houlsby, Fusion),
)


def _wrong(name: str, found: Any) -> str:  # noqa: ANN401 - whatever a package names
    if not isinstance(found, type) or not issubclass(found, PeftPartner):
        return "it is no class derived from talan_core.partners.PeftPartner"
    return "" if found.kind == name else f"its kind is {found.kind!r}"


PARTNERS: Final[Extended[type[Partner]]] = Extended("talan_core.partners", {one.kind: one for one in _OWN}, _wrong)
"""The partners by the name that an arm uses: first the adapters of PEFT, then the baselines."""
