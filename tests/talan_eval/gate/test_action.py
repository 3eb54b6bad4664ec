"""The action's script in a bare shell with the variables that GitHub sets, and a ``gh`` that writes down its words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]


@pytest.fixture
def shell(tmp_path, action_script, cell, result):
    """Return a function that runs the script on a result with a given loss."""

    def run(known="", **inputs):
        loss, spread = inputs.pop("loss", 0.0), inputs.pop("spread", 0.0)
        items = inputs.pop("items", 2000)
        (tmp_path / "result.json").write_text(result(cell(items=items, loss=loss, spread=spread)).to_json())
        result_file = str(tmp_path / "result.json")
        return action_script({"KNOWN": known, "TALAN_RESULT": result_file, **inputs}), tmp_path

    return run


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TALAN_MARGIN", "-1"), ("TALAN_CONTRAST", "a:b\n--json=x"), ("TALAN_AGAINST", "--help"), ("TALAN_JUNIT", "-"),
        ("TALAN_MUST_PASS", "--json"), ("TALAN_INSTALL", "--index-url=http://x"), ("TALAN_PER_CELL", "yes"),
        ("TALAN_COMMENT", "True"), ("TALAN_INCONCLUSIVE", "passes"), ("TALAN_RESULT", "-h"),
        ("TALAN_ESTIMAND", "--json=x"), ("TALAN_LEAST_SHARE", "-1"), ("TALAN_LEAST_SHARE", "0.9\n--json=x"),
        ("TALAN_INSTALL", "\r--help"), ("TALAN_INSTALL", "talan-eval\r--index-url=http://x"),
        ("TALAN_CONTRAST", "a:b\r\n--json=x\r\n"), ("TALAN_JUNIT", " \t--json=x"),
    ],
)  # fmt: skip
def test_inputs_that_look_like_options_or_are_misspelt_are_refused(action_script, tmp_path, name, value):
    done = action_script({"TALAN_RESULT": "result.json", name: value})
    assert done.returncode == 2
    shown = name.removeprefix("TALAN_").lower().replace("_", "-")
    assert f"the input {shown} is not" in done.stderr
    assert f"{shown}:" in (ROOT / "action.yml").read_text()  # the name that the user typed
    assert not (tmp_path / "output").exists()
    assert done.stdout == ""


@pytest.mark.parametrize("value", ["", " ", "\r\n", None])
def test_a_missing_result_is_a_mistake_and_no_regression(action_script, value):
    done = action_script({} if value is None else {"TALAN_RESULT": value})
    assert done.returncode == 2  # 1 would say that a model became worse
    assert "the input result is not there: type" in done.stderr


def test_the_check_of_inputs_names_all_that_become_words_of_a_command():
    script = (ROOT / "action" / "gate.sh").read_text()
    checked = set(re.search(r"for input in ((?:[A-Z_]+ ?){5,});", script)[1].split())
    words = set(re.findall(r'"\$\{?TALAN_([A-Z_]+)', script)) - {"PER_CELL", "COMMENT", "INCONCLUSIVE", "PULL_REQUEST"}
    assert words - checked == set()
    assert {"ESTIMAND", "LEAST_SHARE", "INSTALL"} <= words  # the control


def test_what_is_installed_is_no_option_of_pip():
    script = (ROOT / "action" / "gate.sh").read_text()
    assert re.findall(r"pip install [^|]*", script) == ['pip install --quiet -- "$TALAN_INSTALL" ']


@pytest.mark.parametrize(("code", "expected"), [(1, 2), (0, 0)])
def test_a_failed_installation_is_a_mistake_and_no_regression(shell, tmp_path, code, expected):
    python = tmp_path / "bin" / "python"
    python.write_text(f'#!/usr/bin/env bash\nprintf "%s " "$@" >"$GH_LOG.pip"; exit {code}\n')
    python.chmod(0o755)
    done, place = shell(TALAN_INSTALL="talan-eval==1")
    assert done.returncode == expected, done.stderr
    assert (place / "gh.log.pip").read_text() == "-m pip install --quiet -- talan-eval==1 "
    assert ("pip did not install" in done.stderr) is bool(code)


@pytest.mark.parametrize(
    ("case", "code", "outcome"),
    [({}, 0, "pass"), ({"loss": 0.2}, 1, "fail"), ({"items": 60, "spread": 0.1}, 3, "inconclusive")],
)
def test_the_exit_code_is_the_gates_and_github_reads_the_rest(shell, case, code, outcome):
    done, place = shell(**case)
    assert done.returncode == code, done.stderr
    assert f"outcome={outcome}\nexit-code={code}\n" == (place / "output").read_text()
    assert (place / "summary.md").read_text().startswith("<!-- talan-eval gate -->")
    assert "\n::" in done.stdout
    assert not (place / "gh.log").exists()


def test_an_undecided_gate_may_be_let_through_and_a_regression_may_not(shell):
    undecided, _ = shell(items=60, spread=0.1, TALAN_INCONCLUSIVE="pass")
    lost, _ = shell(loss=0.2, TALAN_INCONCLUSIVE="pass")
    assert (undecided.returncode, lost.returncode) == (0, 1)


def test_contrasts_are_given_one_a_line(tmp_path, action_script, many):
    found = many({"talan[slots=4,layer=1]+lora": 0.0, "b": 0.2}, items=2000)
    (tmp_path / "result.json").write_text(found.to_json())
    good, bad = "talan[slots=4,layer=1]+lora:lora", "b:lora"
    for lines, code, checks in (("", 1, 2), (good, 0, 1), (f"{good}\n{bad}\n", 1, 2), ("$(touch broken):lora", 2, 0)):
        done = action_script({"TALAN_RESULT": str(tmp_path / "result.json"), "TALAN_CONTRAST": lines})
        assert done.returncode == code, done.stderr
        assert len(re.findall(r"^(?:.* against lora: )?mean\t[+-]?\d", done.stdout, re.MULTILINE)) == checks
    assert not (tmp_path / "broken").exists()


@pytest.mark.parametrize(("known", "word"), [("", "POST"), ("4711", "PATCH repos/some/model/issues/comments/4711")])
def test_one_comment_is_made_and_then_edited_in_place(shell, known, word):
    done, place = shell(known=known, TALAN_COMMENT="true", TALAN_PULL_REQUEST="12")
    assert done.returncode == 0, done.stderr
    asked, sent = (place / "gh.log").read_text().splitlines()
    assert "issues/12/comments" in asked
    assert word in sent


BROKEN = {
    "a fork's token may only read": 'echo "HTTP 403: Resource not accessible by integration" >&2; exit 1',
    "only writing fails": 'case "$*" in *--jq*) echo "";; *) echo "HTTP 403: forbidden" >&2; exit 1;; esac',
    "an error that begins lines of its own": "printf 'no\\r::stop-commands::x\\n::add-mask::y' >&2; exit 1",
    "there is no gh": None,
}


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize(("loss", "code"), [(0.0, 0), (0.2, 1)])
def test_a_comment_that_cannot_be_posted_is_a_warning_and_the_exit_code_is_the_gates(shell, tmp_path, what, loss, code):
    gh = tmp_path / "bin" / "gh"
    if BROKEN[what] is None:
        gh.unlink()
    else:
        gh.write_text(f"#!/usr/bin/env bash\n{BROKEN[what]}\n")
    done, place = shell(loss=loss, TALAN_COMMENT="true", TALAN_PULL_REQUEST="12")
    assert done.returncode == code, done.stderr
    assert "::warning title=talan-eval gate::The comment on the pull request was not posted" in done.stdout
    assert re.findall(r"(?:^|[\r\n])::(?!warning title|error title|notice title)", done.stdout) == []
    assert (place / "summary.md").read_text().startswith("<!-- talan-eval gate -->")


def test_an_over_long_comment_is_cut_and_says_where_the_rest_is(tmp_path, action_script, many):
    arms = {f"arm-with-a-long-name-{'x' * 700}-{n}": 0.0 for n in range(40)}
    (tmp_path / "result.json").write_text(many({"a": 0.0} | arms, items=2000, tasks=("one", "two")).to_json())
    gh = tmp_path / "bin" / "gh"
    keep = 'for word in "$@"; do case "$word" in body=@*) cp "${word#body=@}" "$GH_LOG.body";; esac; done'
    gh.write_text(f"#!/usr/bin/env bash\n{keep}\n")
    done = action_script(
        {"TALAN_RESULT": str(tmp_path / "result.json"), "TALAN_COMMENT": "true", "TALAN_PULL_REQUEST": "12"}
    )
    assert done.returncode in {0, 1, 3}
    whole, sent = ((tmp_path / name).read_text("utf-8") for name in ("summary.md", "gh.log.body"))
    assert len(whole.encode()) > 65_000  # the control: GitHub takes 65,536 characters
    assert len(sent) < 65_000
    assert sent.endswith("Cut here: the step summary has the whole report.\n")
    assert whole.startswith(sent.partition("\n\nCut here")[0])


def test_estimand_and_least_share_reach_the_gate(shell):
    done, _ = shell(TALAN_ESTIMAND="E2", TALAN_LEAST_SHARE="0.9")
    assert "(E2: re-training, new items of this kind)" in " ".join(done.stdout.split())
    refused, _ = shell(TALAN_LEAST_SHARE="2")
    assert refused.returncode == 2


def test_inputs_cannot_become_commands(shell):
    done, place = shell(TALAN_MARGIN="1.0; touch broken", TALAN_AGAINST="$(touch broken)")
    assert done.returncode == 2
    assert not (place / "broken").exists()


def test_every_input_reaches_the_script_by_environment():
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    step = action["runs"]["steps"][0]
    assert "${{" not in step["run"]
    script = (ROOT / "action" / "gate.sh").read_text()
    for name in step["env"]:
        assert name == "GH_TOKEN" or name in script
    assert {value.split("inputs.")[1].split(" ")[0] for value in step["env"].values() if "inputs." in value} == set(
        action["inputs"]
    )
