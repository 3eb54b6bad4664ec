r"""Every rule of the graders with an example that shows it; docs/grading.md is made of it, and tests run it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule and an example of it.

    Attributes:
        grader: Which grader follows it.
        text: What it says, in a sentence.
        answer: What a model wrote; for "math" what its box holds, where no box is named.
        target: What is right.
        score: What the answer earns.
        question: What was asked, where that matters.
    """

    grader: str
    text: str
    answer: str
    target: str
    score: int
    question: str = ""

    @property
    def written(self) -> str:
        r"""The answer as the model wrote it, with its ``\boxed{}``."""
        boxed = self.grader != "math" or "\\boxed" in self.answer
        return self.answer if boxed else f"\\boxed{{{self.answer}}}"


RULES: Final = (
    Rule("all", "Thinking is no answer; what follows it is.", "<think>#### 4</think>#### 5", "5", 1),
    Rule("all", "Thinking that never ends leaves the answer unparsed.", "<think>#### 5", "5", 0),
    Rule("all", "So does thinking that opens again.", "<think>a</think>#### 5 <think>or 6", "5", 0),
    Rule("all", "Marks of other families are known.", "[THINK]#### 4[/THINK]#### 5", "5", 1),
    Rule("all", "A quoted mark erases nothing.", "<think>a</think>#### 5 (I close with </think>)", "5", 1),
    Rule("number", "The number behind the first `####` counts.", "#### 5\n\nQuestion: ...\n#### 9", "5", 1),
    Rule("number", "Else the last number counts.", "She has 3 and 2, so 5 apples.", "5", 1),
    Rule("number", "A calculation behind `####` counts by its stated result.", "#### 4 weeks * 5 = 20", "20", 1),
    Rule("number", "The result may stand first.", "#### 20 = 4*5", "20", 1),
    Rule("number", "Without a stated result it counts by what it comes to.", "#### 4 * 5", "20", 1),
    Rule("number", "Sides that differ leave no value.", "#### 24 = 4*6 = 20", "20", 0),
    Rule("number", "Brackets, powers and shares are calculated.", "#### 50% of (3+1)^2", "8", 1),
    Rule("number", "Million, dozen, k and the like are factors.", "#### 5 million", "5000000", 1),
    Rule("number", "They are never dropped.", "#### 5 million", "5", 0),
    Rule("number", "Where the question asks in them, they are units.", "#### 4 dozen", "4", 1, "How many dozen eggs?"),
    Rule("number", "Several values earn nothing.", "#### 5 or 6", "5", 0),
    Rule("number", "Neither do two units or a clock.", "#### 3 hours 20 minutes", "3", 0),
    Rule("number", "A correction on the line leaves two values.", "#### 5, wait, 6", "6", 0),
    Rule("number", "Factors in words count where their result is stated.", "#### half of 84 = 42", "42", 1),
    Rule("number", "A second `####` on the line begins something else.", "#### 42 #### 43", "42", 1),
    Rule("number", "What is denied is no value.", "#### not 5", "5", 0),
    Rule("number", "Neither is a strict bound.", "#### less than 5", "5", 0),
    Rule("number", "Other numbers may be spoken of.", "#### 18 of the 20", "18", 1),
    Rule("number", "A reason behind it changes nothing.", "#### 20, because 4*5 = 20", "20", 1),
    Rule("number", "What is struck through is gone.", "#### ~~5~~ 6", "6", 1),
    Rule("number", "In prose the last number is no choice or range either.", "It is 5 or 6.", "6", 0),
    Rule("number", "A denied number is passed over there.", "It is 6, not 5.", "6", 1),
    Rule("number", "Tags and special tokens are no text.", "<answer>5</answer></s>", "5", 1),
    Rule("number", "Groups of three digits are one number.", "#### 1 000", "1000", 1),
    Rule("number", "Values are compared exactly.", "#### 3.33", "10/3", 0),
    Rule("choice", "The last line `Answer: X` decides.", "Answer: B\nNo, wait.\nAnswer: C", "C", 1),
    Rule("choice", "Claims in sentences are reasoning then.", "Answer: D\nNote that answer: C needs more.", "D", 1),
    Rule("choice", "Brackets, tags, placeholders and either case are letters.", "<answer>c</answer>", "C", 1),
    Rule("choice", "Special tokens are no text.", "Answer: C<|eot_id|>", "C", 1),
    Rule("choice", "A formula that begins with a letter is no claim.", "\\boxed{A = 3 m}\nAnswer: D", "D", 1),
    Rule("choice", "What stands behind 'if' is no claim.", "If the answer is A, x < 0. So the answer is B.", "B", 1),
    Rule("choice", "Several letters earn nothing.", "Answer: A or B", "A", 0),
    Rule("choice", "So do letters that stand beside the first.", "Answer: B, wait C", "C", 0),
    Rule("choice", "A letter that is denied earns nothing.", "Answer: B doesn't hold", "B", 0),
    Rule("choice", "A line behind it can take it back.", "Answer: B\nWait, it is C.", "B", 0),
    Rule("choice", "Letters that are spoken of change nothing.", "Answer: B, because C is heavier", "B", 1),
    Rule("choice", "Neither does the text of an option.", "Answer: A) B and C", "A", 1),
    Rule("choice", "Letters behind a dash may be spoken of.", "Answer: C - A and B violate it", "C", 1),
    Rule("choice", "An answer line may be Chinese.", "\u6545\u9009\uff1aB", "B", 1),
    Rule("choice", "A primed letter is a formula.", "\\boxed{A'}", "A", 0),
    Rule("choice", "The article is no letter.", "The answer is a cell.", "A", 0),
    Rule("math", "An assignment counts by its value.", "x = 5", "5", 1),
    Rule("math", "So does what names a quantity.", "\\angle ABC = 30^\\circ", "30", 1),
    Rule("math", "So does an expression that the question asks for.", "m+n = 5", "5", 1, "Find $m+n$."),
    Rule("math", "A linear equation in one unknown counts by its solution.", "2x = 10", "5", 1),
    Rule("math", "It is solved on both sides.", "x = 5x - 20", "5", 1),
    Rule("math", "It does not count by its right side.", "2x = 10", "10", 0),
    Rule("math", "Other equations are no value.", "|x| = 3", "3", 0),
    Rule("math", "A calculation is no value where its sides differ.", "4 = 5", "5", 0),
    Rule("math", "An approximation is no value.", "x \\approx 3", "3", 0),
    Rule("math", "What stands before that sign is.", "x = \\frac13 \\approx 0.33", "\\frac13", 1),
    Rule("math", "A remainder with its modulus is no value.", "3 \\mod 5", "3", 0),
    Rule("math", "Where the target is no decimal, only an equal decimal counts.", "0.333333", "\\frac13", 0),
    Rule("math", "Where it is one, the digits that it shows count.", "3.1416", "3.14", 1),
    Rule("math", "So they do for exact values.", "\\frac13", "0.33", 1),
    Rule("math", "There is no absolute tolerance.", "\\frac{1}{2^{98}}", "\\frac{1}{2^{99}}", 0),
    Rule("math", "A percentage equals its number.", "50\\%", "50", 1),
    Rule("math", "A percentage equals its share.", "50\\%", "\\frac12", 1),
    Rule("math", "A unit in the table may be missing.", "5 cm^2", "5", 1),
    Rule("math", "Nouns of what is counted may be, too.", "5 people", "5", 1),
    Rule("math", "Two different units are two answers.", "5.4\\text{ dollars}", "5.4\\text{ cents}", 0),
    Rule("math", "A remark behind the number says nothing.", "5\\text{ apples left}", "5", 1),
    Rule("math", "Other words count.", "5\\text{ squared}", "5", 0),
    Rule("math", "The time of day counts.", "9\\text{ p.m.}", "9\\text{ a.m.}", 0),
    Rule("math", "Million, dozen and score are factors.", "5\\text{ million}", "5,000,000", 1),
    Rule("math", "Scientific notation is a number.", "1.5e3", "1500", 1),
    Rule("math", "An inequality equals its interval.", "-2 \\le x \\le 7", "[-2,7]", 1),
    Rule("math", "So does an interval its inequality.", "(-\\infty,3)", "x < 3", 1),
    Rule("math", "Linear absolute values are solved.", "|x-1| \\le 2", "[-1,3]", 1),
    Rule("math", "A set-builder is its condition.", "\\{x \\mid x < 3\\}", "(-\\infty,3)", 1),
    Rule("math", "Intersections are made.", "(-\\infty,7] \\cap [-2,\\infty)", "[-2,7]", 1),
    Rule("math", "An inequality that is not solved does not.", "x^2 < 9", "(-3,3)", 0),
    Rule("math", "A degree inside a function is an angle.", "\\sin 30^\\circ", "\\frac12", 1),
    Rule("math", "Angle brackets hold vectors.", "\\langle 1,2\\rangle", "\\begin{pmatrix}1\\\\2\\end{pmatrix}", 1),
    Rule("math", "Row spacing, alignment and labels say nothing.", "\\text{Answer: }5", "5", 1),
    Rule("math", "Where the target is a set, all boxes are one.", "$x=\\boxed{1}$ or $x=\\boxed{2}$", "1,2", 1),
    Rule("math", "A box that is taken back is not among them.", "\\boxed{5}, wrong. \\boxed{6}", "5,6", 0),
    Rule("math", "Boxes are no point and no interval.", "\\boxed{1} and \\boxed{3}", "(1,3)", 0),
    Rule("math", "A set is no point either.", "\\{1,3\\}", "(1,3)", 0),
    Rule("math", "What the target repeats, the answer must repeat.", "1,1,2", "1,2,2", 0),
    Rule("math", "A box that is denied is none.", "\\boxed{6}, not \\boxed{5}", "6", 1),
    Rule("math", "A doubt beside the box leaves no answer.", "\\boxed{5} or maybe \\boxed{6}", "6", 0),
    Rule("math", "Boxes joined by 'or' are one list.", "\\boxed{1} or \\boxed{2}", "2", 0),
    Rule("math", "The last of other boxes counts.", "\\boxed{4}, no: it is \\boxed{5}", "5", 1),
    Rule("math", "A base counts.", "12_5", "12_7", 0),
    Rule("math", "Dots are compared as they stand.", "1,3,\\ldots,n", "1,2,\\ldots,n", 0),
    Rule("math", "The question's own expression earns nothing.", "2^{10}", "1024", 0, "Compute $2^{10}$."),
    Rule("math", "Only a whole expression is its own.", "2^{10}", "1024", 1, "Compute $2^{10} + 0$."),
    Rule("math", "A choice of its may be repeated.", "2^{10}", "1024", 1, "Which is larger, $2^{10}$ or $10^3$?"),
    Rule("math", "Colour, bold type and a tick say nothing.", "\\color{blue}{5} \\checkmark", "5", 1),
    Rule("math", "i is the imaginary unit.", "i^2", "-1", 1),
    Rule("math", "Fonts and signs of a proof's end say nothing.", "\\boldsymbol{\\frac12}\\blacksquare", "0.5", 1),
    Rule("math", "Repeating decimals are exact.", "0.1666\\ldots", "\\frac16", 1),
    Rule("math", "Open ends may be reversed brackets.", "[1,2[", "[1,2)", 1),
    Rule("math", "A minus sign that touches the box belongs to it.", "-\\boxed{5}", "5", 0),
    Rule("math", "So does a scale behind it.", "\\boxed{5} million", "5", 0),
    Rule("math", "A bounded sum or integral is no equation in unknowns.", "\\sum_{k=1}^{10} k = 55", "55", 1),
    Rule("math", "Units may be quotients, and Chinese.", "60\\frac{\\text{km}}{\\text{h}}", "60", 1),
    Rule("math", "Algebra is math-verify's.", "\\frac{2\\sqrt3}{2}", "\\sqrt3", 1),
)  # fmt: skip


def rules_table() -> str:
    """Return the rules as a table in Markdown."""
    lines = ["| grader | rule | answer | target | earns |", "|---|---|---|---|---:|"]
    for rule in RULES:
        asked = f", asked: {_code(rule.question)}" if rule.question else ""
        lines.append(
            f"| {rule.grader} | {rule.text} | {_code(rule.answer)}{asked} | {_code(rule.target)} | {rule.score} |"
        )
    return "\n".join(lines)


def _code(text: str) -> str:
    return "`" + text.replace("\n", " / ").replace("|", "\\|") + "`"
