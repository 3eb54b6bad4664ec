"""What TALAN is trained with, and what it is compared with, as arms write them: "lora", "dora[r=16]", "full".

A partner is one frozen dataclass, whose fields are its options, and one entry in `PARTNERS`. Importing this package
loads neither torch nor PEFT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from talan_core.partners.base import Partner, PeftPartner, PlainPartner
from talan_core.partners.bottleneck import Fusion, Houlsby, Pfeiffer
from talan_core.partners.lora import AdaLora, Dora, Lora, Pissa, RsLora, Vera
from talan_core.partners.plain import ActAdd, Base, Full, LoReft
from talan_core.partners.prompt_learning import PrefixTuning, PromptTuning
from talan_core.partners.weights import IA3, Boft, Hra, Ln, LoHa, LoKr, Miss, Oft

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PARTNERS", "Dora", "Lora", "Partner", "PeftPartner", "PlainPartner", "RsLora"]

PARTNERS: Final[Mapping[str, type[Partner]]] = {
    partner.kind: partner
    for partner in (
        *(Lora, Dora, RsLora, Pissa, AdaLora, Vera),
        *(IA3, LoHa, LoKr, Oft, Boft, Hra, Miss, Ln),
        *(Base, Full, PrefixTuning, PromptTuning, LoReft, ActAdd),
        *(Pfeiffer, Houlsby, Fusion),
    )
}
"""The partners by the name that an arm uses: first the adapters of PEFT, then the baselines."""
