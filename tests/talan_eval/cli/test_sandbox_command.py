"""``talan-eval sandbox check``, and the refusal of a comparison where no boundary holds."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from talan_core.errors import UserError
from talan_eval.cli import sandbox as command
from talan_eval.cli.main import app
from talan_eval.intake import prepare as prepare_module
from talan_eval.requests.compare import CompareRequest
from talan_eval.sandbox import tiers
from talan_eval.sandbox.conformance import check as check_module
from talan_eval.sandbox.conformance.check import AttackResult as Found
from talan_eval.sandbox.tiers import SandboxUnavailableError, Tier, find_tier


def ran(monkeypatch, findings, *words):
    monkeypatch.setattr(check_module, "check", lambda _tier: iter(findings))
    return CliRunner().invoke(app, ["sandbox", "check", *words])


def test_the_check_names_the_tier_and_counts_what_held(monkeypatch):
    done = ran(monkeypatch, [Found("reading", "read a secret", None), Found("reading", "walk the disk", None)])
    assert done.exit_code == 0
    assert f"tier {find_tier().tier.value}: " in done.stdout
    assert "layers: " in done.stdout
    assert "reading             2 of 2" in done.stdout
    assert "The boundary holds." in done.stdout


def test_the_check_fails_if_anything_escapes(monkeypatch):
    done = ran(monkeypatch, [Found("reading", "read a secret", "it failed: x"), Found("reading", "walk", None)])
    assert done.exit_code == command.ESCAPED
    assert "ESCAPED  reading: read a secret: it failed: x" in done.stdout
    assert "1 programs did what they should not" in done.stdout


def test_every_program_is_named_when_asked(monkeypatch):
    done = ran(monkeypatch, [Found("reading", "read a secret", None)], "--verbose")
    assert "held     reading: read a secret" in done.stdout


def test_an_unknown_tier_is_a_mistake(monkeypatch):
    done = ran(monkeypatch, [], "--tier", "3")
    assert isinstance(done.exception, UserError)
    assert done.exception.fix == "Type --tier with one of auto, 1, 2."


def refuse():
    raise SandboxUnavailableError([(Tier.NAMESPACES, "unshare: no"), (Tier.LANDLOCK, "no Landlock")])


def test_without_a_tier_the_check_is_a_mistake_with_exit_code_2(monkeypatch):
    monkeypatch.setattr(tiers, "find_tier", refuse)
    done = ran(monkeypatch, [])
    assert isinstance(done.exception, UserError)
    assert done.exception.exit_code == 2
    assert "tier 2: no Landlock" in done.exception.problem


def request(tmp_path, **changes):
    return CompareRequest(tasks="gsm8k_micro,mbpp_micro", limit=2, out=tmp_path / "out", **changes)


def test_a_comparison_that_runs_programs_is_refused_before_anything_is_written(monkeypatch, tmp_path):
    monkeypatch.setattr(prepare_module, "find_tier", refuse)
    with pytest.raises(UserError, match="cannot be sandboxed here") as caught:
        prepare_module.prepare(request(tmp_path))
    assert caught.value.exit_code == 2
    assert caught.value.fix.endswith("type --unsafe-no-sandbox.")
    assert not (tmp_path / "out").exists()


def test_a_comparison_that_runs_none_needs_no_boundary(monkeypatch, tmp_path):
    monkeypatch.setattr(prepare_module, "find_tier", refuse)
    plain = CompareRequest(tasks="gsm8k_micro", limit=2, out=tmp_path / "out")
    assert prepare_module.prepare(plain).assignments[0].sandbox_tier is None


def test_the_user_can_opt_out(monkeypatch, tmp_path):
    monkeypatch.setattr(prepare_module, "find_tier", refuse)
    prepared = prepare_module.prepare(request(tmp_path, unsafe_no_sandbox=True))
    assert prepared.assignments[0].sandbox_tier is Tier.NONE


def test_by_default_the_highest_tier_is_pinned_for_all_cells(tmp_path):
    assert prepare_module.prepare(request(tmp_path)).assignments[0].sandbox_tier is find_tier().tier
