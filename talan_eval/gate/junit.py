"""The gate as JUnit XML, which CI systems show as tests."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from talan_eval.gate import wording
from talan_eval.gate.facts import CheckOutcome
from talan_eval.report.clean import clean

if TYPE_CHECKING:
    from talan_eval.gate.facts import Check, GateReport

_NONCHARACTERS = dict.fromkeys((0xFFFE, 0xFFFF), "\N{REPLACEMENT CHARACTER}")  # XML 1.0 forbids them


def render(report: GateReport) -> str:
    """Render the report.

    One test case per check. A regression that was shown is a ``failure``; what could not be decided is an ``error`` of
    type "inconclusive" or "incomplete", never a failure. Checks that do not decide pass, with what they say as output.

    Returns:
        XML with its declaration, in ASCII.
    """
    failures = sum(check.decides and check.outcome is CheckOutcome.FAIL for check in report.checks)
    errors = sum(_is_error(check) for check in report.checks)
    counts = {"tests": str(len(report.checks)), "failures": str(failures), "errors": str(errors), "time": "0"}
    root = ET.Element("testsuites", {"name": "talan-eval gate", **counts})
    suite = ET.SubElement(root, "testsuite", {"name": _text(report.subject), **counts, "skipped": "0"})
    properties = ET.SubElement(suite, "properties")
    for name, value in (
        ("outcome", report.outcome.value),
        ("rule", wording.rule(report.settings, report.estimand)),
        ("signature", report.signature),
    ):
        ET.SubElement(properties, "property", {"name": name, "value": _text(value)})
    for check in report.checks:
        _case(suite, check)
    flips = "\n".join(wording.flip_text(flip) for flip in report.worst_flips)
    if flips:
        ET.SubElement(suite, "system-out").text = _text(f"Lost most often:\n{flips}")
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="us-ascii")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + document.decode("ascii") + "\n"


def _case(suite: ET.Element, check: Check) -> None:
    case = ET.SubElement(suite, "testcase", {"classname": "talan_eval.gate", "name": _text(check.title), "time": "0"})
    text = _text(check.text)
    if check.decides and check.outcome is CheckOutcome.FAIL:
        ET.SubElement(case, "failure", {"message": text, "type": "regression"}).text = text
    elif _is_error(check):
        ET.SubElement(case, "error", {"message": text, "type": check.outcome.value}).text = text
    else:
        ET.SubElement(case, "system-out").text = text


def _is_error(check: Check) -> bool:
    return check.decides and check.outcome in {CheckOutcome.INCONCLUSIVE, CheckOutcome.INCOMPLETE}


def _text(text: str) -> str:
    return clean(text).translate(_NONCHARACTERS)
