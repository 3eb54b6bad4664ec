"""JUnit, step summary, annotations: valid, and closed to whatever a name contains."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from markdown_it import MarkdownIt

from talan_eval.gate import GateSettings, decide
from talan_eval.gate.document import to_json
from talan_eval.gate.facts import Check, CheckOutcome, GateReport, WorstFlip
from talan_eval.gate.github import annotate, outputs
from talan_eval.gate.junit import render
from talan_eval.gate.table import MARKER, markdown

# What a gate writes, and narrower than the schemas of others. Passing, failing, undecided and incomplete reports, and
# one against a baseline, were validated by hand against junit-10.xsd of Jenkins' xunit plugin, which is not kept here
# (jenkinsci/xunit-plugin at 0c37522). Ant's older schema is not met: it demands a host name and a time.
JUNIT = etree.XMLSchema(
    etree.XML("""
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:complexType name="problem"><xs:simpleContent><xs:extension base="xs:string">
    <xs:attribute name="type" type="xs:string" use="required"/><xs:attribute name="message" type="xs:string"/>
  </xs:extension></xs:simpleContent></xs:complexType>
  <xs:attributeGroup name="counts">
    <xs:attribute name="name" type="xs:string" use="required"/>
    <xs:attribute name="tests" type="xs:int" use="required"/>
    <xs:attribute name="failures" type="xs:int" use="required"/>
    <xs:attribute name="errors" type="xs:int" use="required"/><xs:attribute name="time" type="xs:decimal"/>
  </xs:attributeGroup>
  <xs:element name="testsuites"><xs:complexType><xs:sequence>
    <xs:element name="testsuite" maxOccurs="unbounded"><xs:complexType><xs:sequence>
      <xs:element name="properties" minOccurs="0"><xs:complexType><xs:sequence>
        <xs:element name="property" maxOccurs="unbounded"><xs:complexType>
          <xs:attribute name="name" use="required"/><xs:attribute name="value" use="required"/>
        </xs:complexType></xs:element>
      </xs:sequence></xs:complexType></xs:element>
      <xs:element name="testcase" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:choice minOccurs="0">
        <xs:element name="failure" type="problem"/><xs:element name="error" type="problem"/>
        <xs:element name="system-out" type="xs:string"/></xs:choice>
        <xs:attribute name="name" use="required"/><xs:attribute name="classname" use="required"/>
        <xs:attribute name="time" type="xs:decimal" use="required"/>
      </xs:complexType></xs:element>
      <xs:element name="system-out" type="xs:string" minOccurs="0"/>
    </xs:sequence><xs:attributeGroup ref="counts"/><xs:attribute name="skipped" type="xs:int"/></xs:complexType>
    </xs:element>
  </xs:sequence><xs:attributeGroup ref="counts"/></xs:complexType></xs:element>
</xs:schema>""")
)
HOSTILE = st.text(max_size=60) | st.sampled_from(
    [
        "</testcase><x>",
        "]]>",
        "\x1b[2J",
        "\ud800",
        "::error::x\n::set-output name=a::b",
        "| a | b |",
        "<script>",
        "\ufffe",
    ]
)


def report_with(name, text):
    return GateReport(
        outcome=CheckOutcome.FAIL,
        subject=name,
        settings=GateSettings(1.0),
        checks=(
            Check(
                "mean",
                "mean",
                CheckOutcome.FAIL,
                decides=True,
                text=text,
                delta=-2.0,
                lower=-3.0,
                upper=-1.0,
                p_fail=0.001,
            ),
            Check("benchmark", name, CheckOutcome.INCONCLUSIVE, decides=True, text=text, delta=-1.0),
            Check("must pass", name, CheckOutcome.INCOMPLETE, decides=False, text=text),
        ),
        worst_flips=(WorstFlip(name, text, 5, 0, 7, 0.03),),
        signature=name,
        family="0",
    )


@given(HOSTILE, HOSTILE)
def test_hostile_names_break_no_face(name, text):
    report = report_with(name, text)
    tree = etree.fromstring(render(report).encode())
    JUNIT.assertValid(tree)
    for line in annotate(report):
        assert line.isprintable() or "\n" not in line
        assert line.splitlines() == [line]
        assert line.startswith(("::error ", "::warning ", "::notice "))
    html = MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(markdown(report))
    assert html.count("<table>") == 1
    assert "<script" not in html
    markdown(report).encode()
    json.loads(to_json(report))


def test_regressions_are_failures_and_undecided_checks_are_errors():
    tree = etree.fromstring(render(report_with("a", "b")).encode())
    suite = tree.find("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    assert tree.find(".//failure").get("type") == "regression"
    assert tree.find(".//error").get("type") == "inconclusive"


def test_the_schema_of_these_tests_can_refuse():
    broken = etree.fromstring(render(report_with("a", "b")).replace("classname", "klass").encode())
    assert not JUNIT.validate(broken)


def test_the_summary_can_be_found_again_and_outputs_hold_no_text_of_others(cell, result):
    report = decide(result(cell("x\nexit-code=0")), GateSettings(1.0))
    assert markdown(report).startswith(MARKER)
    assert outputs(report).splitlines() == [f"outcome={report.outcome.value}", f"exit-code={report.exit_code}"]


@pytest.mark.parametrize(("loss", "level"), [(0.3, "error"), (0.0, "notice")])
def test_annotations_carry_the_level_of_the_outcome(cell, result, loss, level):
    assert annotate(decide(result(cell(items=2000, loss=loss)), GateSettings(1.0)))[0].startswith(f"::{level} ")
