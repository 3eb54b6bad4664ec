"""Every quantity on the linear decoder is what numpy computes from the weights, and planted bugs are seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from talan_core.analysis import capture, stream_effects
from talan_core.analysis.capture import make_batch, states_of, trace, trace_of_random, traces

LAYER, LAST = 1, 4


def norms(values):
    return np.linalg.norm(values, axis=-1)


def cosines(one, other):
    return (one * other).sum(-1) / (norms(one) * norms(other))


def softmax(logits):
    logits = logits - logits.max(-1, keepdims=True)
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


def divergence_of(logits, others):
    one, other = softmax(logits), softmax(others)
    return (one * np.log(one / other)).sum(-1).mean()


def counted(example, positions):
    length, end = example.prompt_length, len(example.input_ids)
    return {
        "solution": list(range(length - 1, end - 1)),
        "prompt": list(range(length - 1)),
        "all": list(range(end - 1)),
    }[positions]


def expected(stream, example, positions="solution", layer=LAYER):
    """All quantities of one example, from its streams in closed form."""
    at = counted(example, positions)
    h = {state: values[:, at] for state, values in stream.hidden.items()}
    logits = {state: values[at] for state, values in stream.logits.items()}
    a, b = h["10"] - h["00"], h["11"] - h["10"]
    p = np.broadcast_to(stream.write, b[0].shape)
    before = stream.before[at]
    size_a, size_b = norms(a).mean(-1), norms(b).mean(-1)
    divergence = size_b / norms(h["10"]).mean(-1)
    write = norms(p).mean()
    targets = [example.input_ids[t + 1] for t in at]
    kept = {
        "update.size": size_a,
        "update.divergence": size_a / norms(h["00"]).mean(-1),
        "update.kl": divergence_of(logits["10"], logits["00"]),
        "block.size": size_b,
        "block.divergence": divergence,
        "block.amplification": divergence[-1] / divergence[layer],
        "block.kl": divergence_of(logits["11"], logits["10"]),
        "block.loss": -np.log(softmax(logits["11"])[range(len(at)), targets]).mean(),
        "write.size": write,
        "write.residual": norms(before).mean(),
        "write.relative": write / norms(before).mean(),
        "ratios.at_end": size_a[-1] / write,
        "ratios.of_effects": size_a[-1] / size_b[-1],
    }
    if layer:
        kept["write.cosine"] = cosines(a[layer], p).mean()
        kept["ratios.at_write"] = size_a[layer] / write
        kept["block.cosine"] = np.array([np.nan] * layer + [cosines(a[i], b[i]).mean() for i in range(layer, LAST + 1)])
    return kept


def measured(model, examples, positions="solution", layer=LAYER):
    batch = make_batch(examples, range(len(examples)), positions, pad=0, device=torch.device("cpu"))
    seen = traces(model, batch)
    pair, plain = (seen["11"], seen["10"]), seen["00"]
    return {
        "update": stream_effects.update(batch, seen["10"], plain),
        "block": stream_effects.perturbation(batch, *pair, plain, layer),
        "write": stream_effects.write(batch, *pair, plain, layer),
        "ratios": stream_effects.ratios(batch, *pair, plain, layer),
    }


def check(model, streams, examples, positions="solution", layer=LAYER):
    found = measured(model, examples, positions, layer)
    for row, example in enumerate(examples):
        for name, value in expected(streams(model, example, layer), example, positions, layer).items():
            kind, _, what = name.partition(".")
            got = getattr(found[kind], what)[row].numpy()
            np.testing.assert_allclose(got, value, rtol=1e-4, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("positions", ["solution", "prompt", "all"])
def test_every_quantity_is_that_of_the_closed_form(arm, streams, examples, positions):
    check(arm(), streams, examples, positions)


@pytest.mark.parametrize("layer", [0, 2, 3])
def test_it_is_at_every_layer_of_the_block(arm, streams, examples, layer):
    check(arm(layer=layer), streams, examples, layer=layer)


def test_the_ratio_and_the_cosine_at_layer_0_are_undefined_and_the_others_are_not(arm, examples):
    found = measured(arm(layer=0), examples, layer=0)
    assert found["ratios"].at_write.isnan().all()
    assert found["write"].cosine.isnan().all()
    assert found["block"].cosine[:, 0].isnan().all()
    assert not found["ratios"].at_end.isnan().any()
    assert not found["block"].cosine[:, 1:].isnan().any()


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_nothing_diverges_below_the_block(arm, examples, layer):
    block = measured(arm(layer=layer), examples, layer=layer)["block"]
    assert (block.divergence[:, :layer] == 0).all()
    assert (block.divergence[:, layer:] > 0).all()
    assert block.growth[:, :layer].isnan().all()
    assert (block.growth[:, layer] == 1).all()


def muted_in_both(monkeypatch):
    inside = capture.entered
    monkeypatch.setattr(capture, "entered", lambda model, state: inside(model, "10" if state == "11" else state))


def one_layer_up(monkeypatch):
    layers = capture.decoder_layers
    monkeypatch.setattr(capture, "decoder_layers", lambda decoder: [*list(layers(decoder))[1:], layers(decoder)[0]])


def captured_in_bfloat16(monkeypatch):
    picked = capture._Seen._picked
    monkeypatch.setattr(capture._Seen, "_picked", lambda seen, values: picked(seen, values.bfloat16()))


def before_the_write(monkeypatch):
    written = capture._Seen._keep_input

    def keep_input(seen, number):
        keep = written(seen, number)

        def hook(module, args, kwargs):
            keep(module, args, kwargs)
            if number == LAYER and seen._before is not None:
                seen._hidden[number] = seen._before

        return hook

    monkeypatch.setattr(capture._Seen, "_keep_input", keep_input)


def one_position_late(monkeypatch):
    make = make_batch

    def late(*args, **options):
        batch = make(*args, **options)
        return replace(batch, columns=batch.columns + 1)

    monkeypatch.setitem(globals(), "make_batch", late)


def adapter_left_on(monkeypatch):
    inside = capture.entered
    monkeypatch.setattr(capture, "entered", lambda model, state: inside(model, "10" if state == "00" else state))


@pytest.mark.parametrize(
    "plant",
    [muted_in_both, one_layer_up, captured_in_bfloat16, before_the_write, one_position_late, adapter_left_on],
    ids=lambda plant: plant.__name__,
)
def test_a_planted_bug_is_seen(arm, streams, examples, monkeypatch, plant):
    check(arm(), streams, examples)
    plant(monkeypatch)
    with pytest.raises((AssertionError, ValueError)):
        check(arm(), streams, examples)


@pytest.mark.parametrize("plant", [muted_in_both, one_layer_up, before_the_write], ids=lambda plant: plant.__name__)
def test_the_analysis_itself_refuses_states_and_layers_that_cannot_be(arm, examples, monkeypatch, plant):
    plant(monkeypatch)
    with pytest.raises(ValueError, match=r"layer|no block wrote|below"):
        measured(arm(), examples)


def test_another_layer_than_the_blocks_is_refused(arm, examples):
    with pytest.raises(ValueError, match=r"below layer 2|at layer 0"):
        measured(arm(), examples, layer=2)
    with pytest.raises(ValueError, match="at layer 0"):
        measured(arm(), examples, layer=0)


def test_a_random_direction_has_the_norm_of_the_write_and_goes_the_linear_way(arm, examples):
    model = arm()
    batch = make_batch(examples, (0, 1, 2), "all", pad=0, device=torch.device("cpu"))
    seen = traces(model, batch)
    draws = [trace_of_random(model, batch, seen["11"], draw) for draw in range(3)]
    own = {name: value.detach() for name, value in model.named_parameters()}
    step = torch.eye(12)
    for layer in range(LAYER, LAST):
        place = f"base_model.model.model.layers.{layer}.proj"
        update = own[f"{place}.lora_B.default.weight"] @ own[f"{place}.lora_A.default.weight"]
        step = step + (own[f"{place}.base_layer.weight"] + 8 * update) @ step
    size = (own["talans.default.block.writeback.gate"] * own["talans.default.block.mixer.output_shift"]).norm()
    for one in draws:
        changed = one.hidden - seen["10"].hidden
        assert not changed[:LAYER].any()
        torch.testing.assert_close(changed[LAYER].norm(dim=-1), size.expand(len(batch.rows)), rtol=1e-4, atol=0)
        torch.testing.assert_close(changed[LAST], changed[LAYER] @ step.T, rtol=1e-3, atol=1e-5)
    one, other = (draws[k].hidden[LAYER] - seen["10"].hidden[LAYER] for k in (0, 1))
    assert float(torch.cosine_similarity(one, other).abs().mean()) < 0.6


def random_of(model, batch):
    return trace_of_random(model, batch, trace(model, batch, "11"), 0)


def test_directions_belong_to_the_example_and_not_to_its_batch(arm, examples):
    model = arm()
    together = make_batch(examples, (4, 5, 6), "all", pad=0, device=torch.device("cpu"))
    alone = make_batch(examples[1:2], (5,), "all", pad=0, device=torch.device("cpu"))
    wide = random_of(model, together).hidden[:, together.rows == 1]
    narrow = random_of(model, alone).hidden
    torch.testing.assert_close(wide, narrow, rtol=1e-5, atol=1e-6)
    other = make_batch(examples[1:2], (7,), "all", pad=0, device=torch.device("cpu"))
    assert not torch.allclose(narrow, random_of(model, other).hidden, atol=1e-3)


def test_hooks_are_gone_afterwards_also_after_an_error(arm, examples, monkeypatch):
    model = arm()
    batch = make_batch(examples, (0, 1, 2), "all", pad=0, device=torch.device("cpu"))
    count = lambda: sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in model.modules())  # noqa: E731
    before = count()
    random_of(model, batch)
    assert count() == before
    both = trace(model, batch, "11")
    monkeypatch.setattr(type(model.get_base_model()), "forward", None)
    with pytest.raises(TypeError):
        trace_of_random(model, batch, both, 0)
    with pytest.raises(TypeError):
        trace(model, batch, "11")
    assert count() == before


def test_without_a_block_there_are_two_states_and_no_control(arm, examples):
    model = arm()
    bare = model.get_base_model()
    assert states_of(model) == ("11", "10", "01", "00")
    assert states_of(bare) == ("00",)
    batch = make_batch(examples, (0, 1, 2), "all", pad=0, device=torch.device("cpu"))
    with pytest.raises(ValueError, match="no state 11"):
        trace(bare, batch, "11")
    with pytest.raises(ValueError, match="no direction can stand in its place"):
        trace_of_random(model, batch, trace(model, batch, "10"), 0)


def test_two_runs_are_set_against_each_other(arm, streams, examples):
    one, other = arm(seed=1), arm(seed=2)
    batch = make_batch(examples, (0, 1, 2), "solution", pad=0, device=torch.device("cpu"))
    seen = [traces(model, batch) for model in (one, other)]
    relative = stream_effects.divergence_of_runs(batch, seen[0]["11"], seen[1]["10"])
    cosine = stream_effects.cosine_of_updates(batch, *((s["10"], s["00"]) for s in seen))
    for row, example in enumerate(examples):
        at = counted(example, "solution")
        h = [{state: v[:, at] for state, v in streams(model, example).hidden.items()} for model in (one, other)]
        gap = norms(h[0]["11"] - h[1]["10"]).mean(-1) / norms(h[1]["10"]).mean(-1)
        np.testing.assert_allclose(relative[row].numpy(), gap, rtol=1e-4, atol=1e-9)
        updates = [each["10"] - each["00"] for each in h]
        wanted = [cosines(updates[0][layer], updates[1][layer]).mean() for layer in range(1, LAST + 1)]
        np.testing.assert_allclose(cosine[row, 1:].numpy(), wanted, rtol=1e-3, atol=1e-6)
        assert cosine[row, 0].isnan()


def test_what_survives_in_bfloat16_is_counted_and_float32_loses_nothing(arm, streams, examples):
    model = arm()
    found = measured(model, examples)["write"]
    assert (found.float32.share > 0.99).all()
    assert (found.float32.cosine > 0.9999).all()
    tiny = arm()
    with torch.no_grad():
        tiny.talan.block.writeback.gate.mul_(0.01)
    small = measured(tiny, examples)["write"]
    for row, example in enumerate(examples):
        stream = streams(tiny, example)
        before = torch.tensor(stream.before[counted(example, "solution")]).bfloat16()
        after = before + torch.tensor(stream.write).bfloat16()
        np.testing.assert_allclose(
            float(small.bfloat16.share[row]), float((after != before).double().mean()), atol=0.03
        )
    assert (small.bfloat16.share < found.bfloat16.share).all()
    assert (small.bfloat16.cosine < found.bfloat16.cosine).all()


def test_the_shape_of_curves_is_their_correlation():
    ramp = torch.arange(5.0)
    assert stream_effects.correlations([ramp, 3 * ramp + 1, -ramp]) == pytest.approx((1.0, -1.0, -1.0))
