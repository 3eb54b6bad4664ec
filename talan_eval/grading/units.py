r"""Units behind an answer: which may be dropped, and which two contradict each other.

A unit in the table may be missing on either side; where both sides name one, they must be the same, cents are not
dollars. Nouns of things that are counted ("people", "ways") may be dropped and are not compared. Everything else
counts: "a.m.", "squared" and unknown words are part of the answer, and "5 million" is 5,000,000.

Not covered: converting units (100 cm and 1 m), units in front of a number other than currency signs.
"""

from __future__ import annotations

import re
from typing import Final

_MEASURES: Final = {
    "um": "um micrometer micrometre micron",
    "ug": "ug microgram",
    "us": "us microsecond",
    "mm": "mm millimeter millimetre",
    "cm": "cm centimeter centimetre",
    "dm": "dm decimeter decimetre",
    "m": "m meter metre mtr",
    "km": "km kilometer kilometre",
    "in": "in inch inche",
    "ft": "ft foot feet",
    "yd": "yd yard",
    "mi": "mi mile",
    "mg": "mg milligram",
    "g": "g gm gram gramme",
    "kg": "kg kilogram kilogramme kilo",
    "t": "ton tonne",
    "oz": "oz ounce",
    "lb": "lb pound",
    "ml": "ml mL milliliter millilitre cc",
    "l": "l L liter litre",
    "gal": "gal gallon",
    "qt": "qt quart",
    "pt": "pt pint",
    "cup": "cup",
    "tbsp": "tbsp tablespoon",
    "tsp": "tsp teaspoon",
    "acre": "acre",
    "ha": "ha hectare",
    "ms": "ms millisecond",
    "s": "s sec second",
    "min": "min minute",
    "h": "h hr hour",
    "day": "day",
    "week": "wk week",
    "month": "month",
    "year": "yr year",
    "decade": "decade",
    "century": "century centurie",
    "dollar": "dollar USD buck",
    "cent": "cent",
    "euro": "euro EUR",
    "pound sterling": "GBP",
    "yuan": "yuan RMB CNY",
    "yen": "yen JPY",
    "rupee": "rupee Rs INR",
    "percent": "percent pct percentage",
    "degree": "degree deg",
    "radian": "radian rad",
    "celsius": "Celsius",
    "fahrenheit": "Fahrenheit",
    "K": "K kelvin",
    "J": "J joule",
    "kJ": "kJ kilojoule",
    "cal": "cal calorie",
    "N": "N newton",
    "W": "W watt",
    "kW": "kW kilowatt",
    "V": "V volt",
    "A": "ampere amp",
    "ohm": "ohm",
    "Hz": "Hz hertz",
    "kHz": "kHz",
    "MHz": "MHz",
    "Pa": "Pa pascal",
    "mol": "mol mole",
    "o'clock": "o'clock",
    "mi/h": "mph",
    "km/h": "kmh kph kmph",
    "byte": "byte",
    "bit": "bit",
    "KB": "KB",
    "MB": "MB",
    "GB": "GB",
}
_COUNTED_WORDS: Final = """
beat breath gizmo gadget tower chapter lesson exam test vertex cookie quiz quizze volunteer pupil athlete racer
adult angle animal answer ant apple arrangement bag ball balloon banana basket batch batche bead bee bicycle
bike bill bird block blueberrie blueberry book bottle box boy brick brownie bug bulb bun burger bus buses cake
can candie candle candy car card carrot carton cat chair cherrie cherry chicken child children chip chocolate
choice circle citie city class classe classes club coin column combination cookie countrie country cow crayon
cupcake customer day-old diagonal digit dime divisor dog doll donut door doughnut dress dresses edge egg
egg-carton element email employee episode face factor familie family female fish floor flower friend fruit
function game girl goal grape group guest gumball hamburger handshake hat hit horse hotdog house household
insect integer item jar jellybean kid lamp lap leg lemon letter light line load loaf loaves lollipop male man
mango mangoe marble mark match meal member men message mile-marker monkey movie muffin multiple nickel number
nut object onion option orange outcome pack package packet page painting pair part passenger path pattern peach
peache pear pen pencil pennie pennies penny people pepper permutation person pet photo picture pie piece pill
pizza plant player point possibilitie possibility potato potatoe problem quarter question rectangle rock
roll room root rope rose route row run rung sandwich school scoop seashell seat seed segment senior sequence
serving set sheet shelf shell shelves shirt shoe shop shot side slice sock soldier solution song sphere spider
stair stamp star step stick sticker stone store strawberrie strawberry student sub subset table taco
teacher team term thing ticket tile time tomato tomatoe tourist towel town toy tree triangle trip truck unit
value vegetable vertex vertices vote voter walk watermelon way wheel widget window woman women word worker
"""
_COUNTED: Final = frozenset(_COUNTED_WORDS.split())
_COUNTED_IN_PLURAL: Final = frozenset(("scores", "squares", "cubes", "zeros", "zeroes", "primes", "roots"))
"""Nouns whose singular says something else: "5 score", "5 square", "below zero"."""
_REMARKS: Final = frozenset(("only", "left", "remaining", "total", "altogether", "overall", "exactly"))
"""What may stand behind a number or its unit and says nothing about the value."""
_BEHIND: Final = frozenset(("old", "long", "wide", "tall", "high", "deep"))
"""What may stand behind a unit: "5 years old", "3 feet tall"."""
_PLURAL_KEEPS: Final = frozenset({"mins", "classes"})
_LONGEST_SYMBOL: Final = 2
"""The case of a unit's name matters up to this length: mm and Mm."""
_BY_NAME: Final = {
    name.casefold() if len(name) > _LONGEST_SYMBOL else name: key
    for key, names in _MEASURES.items()
    for name in names.split()
}
_ALSO_LOWER: Final = {"ft", "in", "lb", "oz", "hr", "yd", "mi", "km", "cm", "mm", "kg", "mg", "yr", "pt", "qt"}
_SINGLE: Final = frozenset("mgshlLJNWVK")
"""Units of one letter: without ``\\text`` they are units only behind a number and a space."""
_SCALES: Final = {
    "hundred": "10^{2}",
    "thousand": "10^{3}",
    "million": "10^{6}",
    "billion": "10^{9}",
    "trillion": "10^{12}",
    "lakh": "10^{5}",
    "crore": "10^{7}",
    "dozen": "12",
    "score": "20",
}
_CJK_SCALES: Final = {"万": "10^{4}", "亿": "10^{8}"}
_CJK_MEASURES: Final = {
    "元": "yuan", "毫米": "mm", "厘米": "cm", "米": "m", "千米": "km", "公里": "km", "克": "g", "千克": "kg",
    "公斤": "kg", "吨": "t", "毫升": "ml", "升": "l", "秒": "s", "分钟": "min", "小时": "h", "天": "day", "周": "week",
    "月": "month", "个月": "month", "年": "year", "岁": "year", "度": "degree",
}  # fmt: skip
_CJK_NAMES: Final = "|".join(sorted(_CJK_MEASURES, key=len, reverse=True))
_CJK_COUNTED: Final = "个|只|本|支|条|张|人|名|种|次|页|箱|辆|棵|朵|件|套|位|组|块"
GENERIC: Final = "counted"
"""The unit of what is counted, and of "units": it contradicts nothing."""

_FONT: Final = r"\\(?:text(?:rm|bf|it|sf|normal)?|mbox|mathrm|rm|mathbf|operatorname|mathsf)\s?"
_POWER: Final = r"(?:\s?\^\s?\{?\s?(?P<power>[23])\s?\}?)?"
_SPACE: Final = r"(?:\s|\\[,;:! ]|~|\\quad|\\qquad)*"
_TEXT_UNIT: Final = re.compile(rf"{_SPACE}{_FONT}\{{(?P<words>[^{{}}]{{1,60}})\}}{_POWER}[\s.]*\Z")
_BARE_UNIT: Final = re.compile(
    r"(?:(?<=[0-9})])|(?<=[0-9]\.)|(?<=\\pi)(?=\s))(?P<space>(?:\s|\\[,;:! ]|~|-)*)"
    r"(?P<words>(?:o'clock|[A-Za-z]{1,14})\.?(?:(?:\s|-)[A-Za-z]{2,14}\.?){0,3}(?:/[A-Za-z]{1,10})?)"
    + _POWER
    + r"[\s.]*\Z"
)
_SCALE_WORDS: Final = "|".join(_SCALES)
_SCALE_WORD: Final = re.compile(
    rf"(?P<number>[0-9][0-9.,]*){_SPACE}(?:{_FONT}\{{\s*(?P<inner>{_SCALE_WORDS})\b(?P<rest>[^{{}}]{{0,40}})\}}"
    r"|(?P<bare>{_SCALE_WORDS})\b|(?P<cjk>[万亿]))"
)
_CJK_UNIT: Final = re.compile(
    rf"(?<=[0-9}}\])]){_SPACE}(?:{_FONT}\{{\s*)?(?P<power>平方|立方)?(?:(?P<measure>{_CJK_NAMES})"
    rf"|(?:{_CJK_COUNTED}))\s*\}}?[\s.]*\Z"
)
_CURRENCY: Final = {
    "\\$": "dollar",
    "$": "dollar",
    "\u20ac": "euro",
    "\u00a3": "pound sterling",
    "\u00a5": "yen",
    "\u20b9": "rupee",
    "\\pounds": "pound sterling",
    "\\euro": "euro",
}
_SIGNS_BEHIND: Final = (
    ("\\$", "dollar"),
    ("\u20ac", "euro"),
    ("\\text{\u20ac}", "euro"),
    ("\u00a2", "cent"),
    ("\\text{\u00a2}", "cent"),
)
_SIGN_IN_FRONT: Final = re.compile(
    r"(?P<minus>-?)\s*(?P<sign>\\\$|\u20ac|\u00a3|\u00a5|\u20b9|\\pounds|\\euro|(?<!\S)(?:USD|US\\\$)\s)\s*(?=[-0-9.\\])"
)
_PERCENT: Final = re.compile(r"\s*(?:\\?%)[\s.]*\Z")
_DEGREES: Final = re.compile(
    rf"{_SPACE}\^?\s?\{{?\s?(?:\\circ(?![A-Za-z])|\\degree(?![A-Za-z])|\u00b0)\s?\}}?{_SPACE}(?:{_FONT}\{{\s?([CF])\s?\}}|([CF]))?[\s.]*\Z"
)


def split_unit(latex: str) -> tuple[str, str | None]:
    """Return an answer without the unit behind it (or the currency sign before it), and that unit.

    Args:
        latex: The answer without its box.

    Returns:
        The rest and the unit's name in the table: None where there is none, ``GENERIC`` for counted things.
    """
    degrees = _DEGREES.search(latex)
    if degrees is not None and degrees.start() > 0:
        scale = degrees[1] or degrees[2]
        return latex[: degrees.start()], {"C": "celsius", "F": "fahrenheit"}.get(scale or "", "degree")
    percent = _PERCENT.search(latex)
    if percent is not None and percent.start() > 0:
        return latex[: percent.start()], "percent"
    sign = _SIGN_IN_FRONT.match(latex.lstrip())
    if sign is not None:
        rest = sign["minus"] + latex.lstrip()[sign.end() :]
        value, unit = split_unit(rest)
        return value, unit if unit not in {None, GENERIC} else _CURRENCY.get(sign["sign"].strip(), "dollar")
    for ending, name in _SIGNS_BEHIND:
        if latex.rstrip(" .").endswith(ending):
            return latex.rstrip(" .")[: -len(ending)], name
    value, unit = _in_chinese(latex)
    return (value, unit) if unit is not None else _worded(latex)


def contradict(left: str | None, right: str | None) -> bool:
    """Tell whether two units cannot belong to the same answer."""
    if left is None or right is None or GENERIC in {left, right} or left == right:
        return False
    return not {left, right} <= {"degree", "celsius", "fahrenheit"} or {left, right} == {"celsius", "fahrenheit"}


def scaled(latex: str) -> str:
    r"""Return an answer with "5 million" written as ``5\cdot 10^{6}``."""

    def written(match: re.Match[str]) -> str:
        factor = _CJK_SCALES[match["cjk"]] if match["cjk"] else _SCALES[match["inner"] or match["bare"]]
        rest = match["rest"]
        behind = f"\\text{{{rest}}}" if rest and rest.strip() else ""
        return f"{match['number']}\\cdot {factor}{behind}"

    return _SCALE_WORD.sub(written, latex)


def _in_chinese(latex: str) -> tuple[str, str | None]:
    """Split off a unit or a counting word in Chinese."""
    chinese = _CJK_UNIT.search(latex)
    if chinese is None:
        return latex, None
    name = _CJK_MEASURES.get(chinese["measure"] or "", GENERIC)
    power = {"平方": "^2", "立方": "^3"}.get(chinese["power"] or "", "")
    return latex[: chinese.start()], name if name == GENERIC else name + power


def _worded(latex: str) -> tuple[str, str | None]:
    text = _TEXT_UNIT.search(latex)
    if text is not None and latex[: text.start()].strip():
        unit = unit_named(text["words"], text["power"])
        if unit is not None:
            value, inner = _worded(latex[: text.start()]) if unit == GENERIC else (latex[: text.start()], None)
            return value, inner or unit
        return latex, None
    bare = _BARE_UNIT.search(latex)
    if bare is not None:
        words = bare["words"]
        single = len(words) == 1
        if single and (not bare["space"] or words not in _SINGLE or not latex[: bare.start()].strip()[-1:].isdigit()):
            return latex, None
        unit = unit_named(words, bare["power"])
        if unit is not None:
            return latex[: bare.start()], unit
    return latex, None


def unit_named(words: str, power: str | None = None) -> str | None:
    """Return the name of a unit in words ("square inches", "km/h", "dollars per hour"), or None for other words."""
    text = " ".join(words.replace("~", " ").replace("\\", " ").replace("-", " ").split()).strip(". ")
    numerator, slash, denominator = text.partition("/")
    if not slash:
        numerator, slash, denominator = text.partition(" per ")
    if not slash and text.startswith("per "):
        return None
    if slash:
        top, bottom = unit_named(numerator), unit_named(denominator, power)
        if top is None or bottom is None:
            return None
        return GENERIC if GENERIC in {top, bottom} else f"{top}/{bottom}"
    parts = numerator.split()
    while len(parts) > 1 and parts[0].casefold() in {"square", "sq", "sq.", "cubic", "cu", "cu."}:
        power = "2" if parts.pop(0).casefold().startswith("s") else "3"
    parts = _without_remarks(parts)
    if not parts:
        return GENERIC
    if len(parts) > 1:
        # "children tickets", "blue marbles": what is counted stands last; "dollars and" is no unit.
        known = [unit_named(part) for part in parts]
        return (
            GENERIC
            if known[-1] == GENERIC and all(part.isalpha() for part in parts) and not _tells(parts[:-1])
            else None
        )
    name = _named(parts[0])
    return name if name in {None, GENERIC} or power is None else f"{name}^{power}"


_TELLING_WORDS: Final = """
and or nor but not no less more fewer most least extra additional other another plus minus times if than as like
half third quarter tenth hundredth squared cubed million thousand hundred billion trillion dozen score gross couple
pair double triple twice below above under over off short beyond behind ahead away ago from to of in on at by per
each every with without within before after until since between out up down top bottom negative positive one two
three four five six seven eight nine ten eleven twelve
"""
_TELLING: Final = frozenset(_TELLING_WORDS.split())
"""Words that are no adjectives of what is counted: they change what the number says."""


def _without_remarks(parts: list[str]) -> list[str]:
    """Return the words of a unit without "left", "in total" and "old" behind them."""
    while parts and parts[-1].casefold() in _REMARKS:
        parts = parts[:-2] if parts[-2:-1] == ["in"] else parts[:-1]
    return parts[:-1] if len(parts) > 1 and parts[-1] in _BEHIND else parts


def _tells(words: list[str]) -> bool:
    return any(word.casefold() in _TELLING or word.casefold() in _SCALES for word in words)


def _named(word: str) -> str | None:
    plain = word.strip(".,;")
    exponent = re.fullmatch(r"([A-Za-z]+)\^?\{?([23])\}?", plain)
    if exponent is not None:
        inner = _named(exponent[1])
        return None if inner in {None, GENERIC} else f"{inner}^{exponent[2]}"
    folded = plain.casefold()
    for form in (plain, folded, folded.removesuffix("s"), folded.removesuffix("es"), plain.removesuffix("s")):
        if len(form) <= _LONGEST_SYMBOL and form not in _BY_NAME:
            continue
        if form in _BY_NAME:
            return _BY_NAME[form]
    if (
        folded in _COUNTED_IN_PLURAL
        or folded in _COUNTED
        or folded.removesuffix("s") in _COUNTED
        or folded.removesuffix("es") in _COUNTED
    ):
        return GENERIC
    return None
