"""A small study with Monte Carlo bounds, its controls, and what a kill leaves behind."""

from __future__ import annotations

import json

import numpy as np
import pytest

from talan_core.errors import UserError
from talan_eval.calibration import study as study_module
from talan_eval.calibration.contrasts import SelectionSetting
from talan_eval.calibration.counting import Share
from talan_eval.calibration.coverage import CoverageSetting
from talan_eval.calibration.families import FamilySetting
from talan_eval.calibration.full_study import full_study, key
from talan_eval.calibration.gates import GateSetting, PeekSetting
from talan_eval.calibration.study import (
    MANIFEST,
    RECORDS,
    TABLES,
    Study,
    _bare,
    code_digest,
    make_study,
    read_records,
    run_study,
    simulate,
)
from talan_eval.calibration.study_tables import all_tables
from talan_eval.calibration.table_text import Record
from talan_eval.calibration.world import World

RUNS = 400


def quiet(done, total):
    assert 0 <= done <= total


def shares(setting, runs=RUNS):
    return setting.run(runs, np.random.default_rng(0))


def test_intervals_over_seven_seeds_cover_and_the_controls_do_not():
    got = shares(CoverageSetting(World(7, 198, tau=0.02)))
    for name in ("E1 guarded t", "E1 sign-flip interval", "E2 guarded crossed", "E0 interval", "E2 pigeonhole"):
        assert not got[name].falls_below(0.95), name
    for name in ("guarded t", "sign-flip"):
        assert not got[f"claims: {name}"].exceeds(0.05), name
    assert got["E1 percentile"].falls_below(0.95)
    assert got["E1 bca"].falls_below(0.95)
    assert got["E1 percentile"].value == pytest.approx(0.88, abs=0.05)


def test_guard_holds_where_seeds_agree_by_luck_and_the_plain_t_does_not():
    got = shares(CoverageSetting(World(3, 198, open_share=0.3, agreement=0.8)), 1000)
    assert not got["E1 guarded t"].falls_below(0.95)
    assert not got["smallest spreads: guarded t"].falls_below(0.90)
    assert got["smallest spreads: plain t"].value < 0.75  # 66 % in the specification
    assert got["E1 bootstrap-t none"].value == 1.0


def test_spread_between_trainings_fools_tests_that_pool_seeds():
    got = shares(CoverageSetting(World(7, 500, tau=0.05)), 150)
    assert not got["claims: guarded t"].exceeds(0.05)
    for name in ("McNemar pooled over seeds", "CMH over seeds", "McNemar of one seed"):
        assert got[f"claims: {name}"].exceeds(0.05), name


def test_clusters_are_covered_and_ignoring_them_is_not():
    got = shares(CoverageSetting(World(7, 500, lean=0.25, cluster=10)), 300)
    assert not got["E2 guarded crossed"].falls_below(0.95)
    assert not got["E0 interval"].falls_below(0.95)
    assert got["E2 guarded crossed, clusters ignored"].falls_below(0.95)
    assert got["E0 interval, clusters ignored"].falls_below(0.95)


def test_families_keep_their_level_and_unadjusted_cells_do_not():
    got = shares(FamilySetting(World(7, 100, tau=0.02), 4, shared=0.8), 400)
    for name in ("Holm", "max-T", "larger of Holm and max-T"):
        assert not got[f"any false: {name}"].exceeds(0.05), name
    assert got["any false: no adjustment"].exceeds(0.05)
    assert not got["mean E1 guarded"].falls_below(0.95)
    assert got["mean E1, cells taken as independent"].value < got["mean E1 guarded"].value - 0.02


def test_backbones_that_share_items_are_covered():
    got = shares(FamilySetting(World(4, 100, tau=0.01, lean=0.25), 1, n_backbones=4), 300)
    assert not got["mean E2 guarded"].falls_below(0.95)
    assert got["mean E2, items taken as new per backbone"].falls_below(0.95)


def test_gates_seldom_fail_what_did_not_change_and_seldom_pass_what_lost_the_margin():
    same, lost = (shares(GateSetting(World(7, 300, delta=delta, agreement=0.8)), 400) for delta in (0.0, -0.01))
    assert not same["gate: fail"].exceeds(0.05)
    assert not lost["gate: pass"].exceeds(0.05)
    assert same["gate: mean below zero"].value == pytest.approx(0.5, abs=0.1)
    assert sum(same[f"gate: {name}"].value for name in ("pass", "fail", "inconclusive")) == pytest.approx(1.0)


def test_peeking_needs_the_anytime_valid_t():
    got = shares(PeekSetting(3, 10))
    assert not got["peeking: anytime-valid t"].exceeds(0.05)
    assert got["peeking: t"].exceeds(0.05)
    assert got["peeking: t"].value == pytest.approx(0.17, abs=0.05)


def tiny_study(replicates=100):
    settings = (PeekSetting(3, 7), PeekSetting(3, 10), PeekSetting(3, 20))
    return Study(settings, replicates, 0)


def test_a_killed_study_goes_on_and_ends_like_an_uninterrupted_one(tmp_path):
    class Killed(Exception):  # noqa: N818 - a stand-in for a signal
        pass

    def kill_after_two(done, _total):
        if done == 2:
            raise Killed

    whole = run_study(tiny_study(), tmp_path / "whole", quiet)
    with pytest.raises(Killed):
        run_study(tiny_study(), tmp_path / "cut", kill_after_two)
    path = tmp_path / "cut" / RECORDS
    path.write_text(path.read_text()[:-20])  # the last line was being written
    resumed = run_study(tiny_study(), tmp_path / "cut", quiet)
    assert [record.shares for record in resumed] == [record.shares for record in whole]
    assert (tmp_path / "cut" / TABLES).read_text() == (tmp_path / "whole" / TABLES).read_text()
    manifest = json.loads((tmp_path / "cut" / MANIFEST).read_text())
    assert (manifest["settings"], manifest["finished"], manifest["replicates"]) == (3, 3, 100)
    assert [key(r.setting) for r in read_records(path)] == [key(s) for s in tiny_study().settings]


def test_another_study_does_not_go_into_the_same_directory(tmp_path):
    run_study(tiny_study(), tmp_path, quiet)
    with pytest.raises(UserError, match="another replicates"):
        run_study(tiny_study(101), tmp_path, quiet)


def test_a_setting_does_not_depend_on_those_before_it():
    setting = PeekSetting(3, 7)
    assert simulate(setting, 100, 0).shares == simulate(setting, 100, 0).shares
    assert simulate(setting, 100, 0).shares != simulate(setting, 100, 1).shares


def test_names_of_settings_are_unique_and_small_is_a_part_of_full():
    every = full_study()
    assert len({key(setting) for setting in every}) == len(every)
    assert make_study("small", 100, 0).settings == every[: len(make_study("small", 100, 0).settings)]
    assert make_study("full", 100, 0).settings == every


@pytest.mark.parametrize(
    ("settings", "replicates", "seed", "says"),
    [
        ("tiny", 100, 0, "--settings small"),
        ("0", 100, 0, "1 to"),
        ("9999", 100, 0, "1 to"),
        ("3", 99, 0, "100 or more"),
        ("3", 100, -1, "--seed 0"),
    ],
)
def test_mistakes_end_in_what_to_type(settings, replicates, seed, says):
    with pytest.raises(UserError, match=says):
        make_study(settings, replicates, seed)


def test_tables_show_means_and_worst_settings():
    shares_of = {"E1 guarded t": Share(95, 100), "E1 plain t": Share(90, 100)}
    worse = {"E1 guarded t": Share(97, 100), "E1 plain t": Share(80, 100)}
    worlds = (World(7, 198), World(7, 198, tau=0.02))
    text = all_tables([Record(CoverageSetting(w), s, 0.1) for w, s in zip(worlds, (shares_of, worse), strict=True)])
    assert "| guarded t | 96.0 (95.0) |" in text
    assert "| plain t | 85.0 (80.0) |" in text
    assert "bca" not in text


def test_comments_and_docstrings_do_not_make_another_study_and_code_does():
    plain = _bare("def f(x):\n    return x + 1\n")
    assert _bare('"""Module."""\n\n\ndef f(x):\n    """Add."""\n    return x + 1  # one\n') == plain
    assert _bare("def f(x):\n    return x + 2\n") != plain


def test_types_of_arguments_do_not_make_another_study():
    assert _bare("def f(x: int) -> int:\n    return x\n") == _bare("def f(x: float) -> float:\n    return x\n")


def test_code_of_one_kind_of_setting_does_not_spoil_the_records_of_another(tmp_path, monkeypatch):
    source = study_module._source

    def changed(module):
        return source(module) + ("\nEXTRA = 1\n" if module == "talan_eval.stats.selection" else "")

    before = code_digest(SelectionSetting), code_digest(PeekSetting)
    selection = Study((SelectionSetting(3, 3),), 100, 0)
    run_study(selection, tmp_path / "selection", quiet)
    run_study(tiny_study(), tmp_path / "peek", quiet)
    monkeypatch.setattr(study_module, "_source", changed)
    assert code_digest(PeekSetting) == before[1]
    assert code_digest(SelectionSetting) != before[0]
    run_study(tiny_study(), tmp_path / "peek", quiet)
    with pytest.raises(UserError, match="another code of SelectionSetting"):
        run_study(selection, tmp_path / "selection", quiet)


def test_a_study_grows_by_another_kind_and_keeps_what_was_simulated(tmp_path):
    run_study(tiny_study(), tmp_path, quiet)
    kept = (tmp_path / RECORDS).read_text().splitlines()
    grown = Study((*tiny_study().settings, SelectionSetting(3, 3)), 100, 0)
    records = run_study(grown, tmp_path, quiet)
    assert (tmp_path / RECORDS).read_text().splitlines()[:3] == kept
    assert read_records(tmp_path / RECORDS)[3].averages == records[3].averages != {}
    assert set(json.loads((tmp_path / MANIFEST).read_text())["code"]) == {"PeekSetting", "SelectionSetting"}


def test_a_manifest_without_digests_by_kind_is_another_study(tmp_path):
    run_study(tiny_study(), tmp_path, quiet)
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    (tmp_path / MANIFEST).write_text(json.dumps(manifest | {"code": "0123"}))
    with pytest.raises(UserError, match="another code"):
        run_study(tiny_study(), tmp_path, quiet)
