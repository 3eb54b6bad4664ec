"""LoReFT at places of the prompt: which places, the same in training, scoring, generating and packed rows."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM, StaticCache

import talan_core
from talan_core import prompt_edits
from talan_core.analysis.capture import make_batch, trace
from talan_core.arms import build, parse_arm
from talan_core.attach import decoder_layers, find_decoder
from talan_core.errors import UserError
from talan_core.probe import liveness, next_token
from talan_core.prompt_places import Prompts, places, prompts_told
from talan_core.size import matched_gate
from talan_core.training.data import collate, encode
from talan_core.training.encoding import EncodedExample
from talan_core.training.fit import fit
from talan_core.training.packing import check_packing, collate_packed
from talan_core.training.signs import held_out_loss
from talan_core.training_settings import TrainingSettings

REFERENCE = Path(__file__).parent / "pyreft_reference.safetensors"
SHAPE = LlamaConfig(
    hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=2,
    vocab_size=40, max_position_embeddings=64, tie_word_embeddings=False,
)  # fmt: skip
SETTINGS = TrainingSettings(steps=6, batch_size=3, learning_rate=2e-2, schedule="constant", max_length=64)
ARM = "reft[r=2,first=2,last=3]"


def opened(model, arm=ARM):
    """Build an arm whose edits do something."""
    made = build(model, parse_arm(arm), seed=0).eval()
    with torch.no_grad():
        for name, parameter in made.edit.named_parameters():
            if name.endswith("shift"):
                parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    return made


def told(model, tokens, prompts, **inputs):
    with torch.no_grad(), prompts_told(model, prompts):
        return model(tokens, **inputs).logits


def moved(arm, tokens, prompts, layer=0):
    """Return where a layer's output differs from the backbone's, (batch, length)."""
    seen = []
    handle = decoder_layers(find_decoder(arm.get_base_model()))[layer].register_forward_hook(
        lambda _, __, out: seen.append(out if isinstance(out, torch.Tensor) else out[0])
    )
    told(arm, tokens, prompts)
    with arm.disable_adapter(), torch.no_grad():
        arm(tokens)
    handle.remove()
    return (seen[0] != seen[1]).any(-1)


@given(
    rows=st.lists(
        st.lists(st.tuples(st.integers(0, 7), st.integers(1, 4)), min_size=1, max_size=4), min_size=1, max_size=3
    ),
    first=st.integers(0, 4),
    last=st.integers(0, 4),
)
def test_places_are_the_first_and_last_tokens_of_each_prompt_of_a_packed_row(rows, first, last):
    length = max(sum(prompt + answer for prompt, answer in row) for row in rows)
    labels, positions = torch.full((len(rows), length), -100), torch.zeros(len(rows), length, dtype=torch.long)
    expected = {"first": torch.zeros(len(rows), length, dtype=bool), "last": torch.zeros(len(rows), length, dtype=bool)}
    for at, row in enumerate(rows):
        begin = 0
        for prompt, answer in row:
            labels[at, begin + prompt : begin + prompt + answer] = 7
            positions[at, begin : begin + prompt + answer] = torch.arange(prompt + answer)
            half = prompt // 2
            expected["first"][at, begin : begin + min(first, half)] = True
            expected["last"][at, begin + prompt - min(last, half) : begin + prompt] = True
            begin += prompt + answer
        positions[at, begin:] = torch.arange(length - begin)
    real = torch.arange(length) < torch.tensor([[sum(map(sum, row))] for row in rows])
    found = places(Prompts(labels=labels), real, positions, first=first, last=last)
    assert torch.equal(found.first, expected["first"])
    assert torch.equal(found.last, expected["last"])
    assert not (found.first & found.last).any()


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), min_size=1, max_size=4),
    st.sampled_from(["left", "right"]),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_places_are_counted_without_padding_on_either_side(rows, side, first, last):
    length = max([1, *map(sum, rows)])
    real = torch.zeros(len(rows), length, dtype=torch.bool)
    wanted = torch.zeros(2, len(rows), length, dtype=torch.bool)
    for at, (prompt, answer) in enumerate(rows):
        begin = length - prompt - answer if side == "left" else 0
        real[at, begin : begin + prompt + answer] = True
        wanted[0, at, begin : begin + min(first, prompt // 2)] = True
        wanted[1, at, begin + prompt - min(last, prompt // 2) : begin + prompt] = True
    lengths = torch.tensor([prompt for prompt, _ in rows])
    found = places(Prompts(lengths=lengths), real, None, first=first, last=last)
    assert torch.equal(torch.stack([found.first, found.last]), wanted)


def test_of_a_conversation_only_the_first_prompt_has_places():
    labels = torch.tensor([[-100, -100, -100, -100, 5, 5, -100, -100, -100, 5]])
    found = places(Prompts(labels=labels), torch.ones(1, 10), None, first=1, last=1)
    assert (found.first.nonzero()[:, 1].tolist(), found.last.nonzero()[:, 1].tolist()) == ([0], [3])


@pytest.mark.parametrize("weights", ["untied", "shared"])
def test_an_edit_is_the_published_formula_at_its_places_and_nothing_elsewhere(backbone, tokens, weights):
    arm = opened(backbone(), f"reft[r=2,layers=1,first=2,last=3,weights={weights}]")
    seen = []
    layer = decoder_layers(find_decoder(arm.get_base_model()))[1]
    handle = layer.register_forward_hook(lambda _, __, out: seen.append(out if torch.is_tensor(out) else out[0]))
    told(arm, tokens, Prompts(lengths=torch.tensor([8, 5, 12])))
    with arm.disable_adapter(), torch.no_grad():
        arm(tokens)
    handle.remove()
    edited, plain = seen
    assert len(arm.edit.of_last) == (0 if weights == "shared" else 1)
    for row, (first, last) in enumerate([((0, 1), (5, 6, 7)), ((0, 1), (3, 4)), ((0, 1), (9, 10, 11))]):
        for column in range(12):
            h = plain[row, column]
            edits = arm.edit.of_first if column in first or weights == "shared" else arm.edit.of_last
            if column not in (*first, *last):
                assert torch.equal(edited[row, column], h)
                continue
            one = edits["1"]
            r, w, b = one.rows(), one.source, one.shift
            torch.testing.assert_close(edited[row, column], h + r.T @ (w @ h + b - r @ h), atol=1e-5, rtol=1e-5)
            assert not torch.equal(edited[row, column], h)


@pytest.mark.parametrize("weights", ["untied", "shared"])
def test_logits_are_those_of_the_package_pyreft_on_copied_weights(weights):
    kept = load_file(REFERENCE)
    backbone = LlamaForCausalLM(SHAPE).eval()
    backbone.load_state_dict({k.removeprefix("backbone/"): v for k, v in kept.items() if k.startswith("backbone/")})
    arm = build(backbone, parse_arm(f"reft[r=2,layers=0;2,first=2,last=4,weights={weights}]"), seed=0).eval()
    edits = [*arm.edit.of_first.values(), *arm.edit.of_last.values()]
    for number, edit in enumerate(edits):
        rotation, source, shift = (kept[f"{weights}/{number}/{name}"] for name in ("rotation", "source", "shift"))
        with torch.no_grad():
            edit.rotation.copy_(rotation)
            signs = (edit.rows() * rotation.T).sum(1).sign()  # an orthogonal factor is unique but for these
            edit.source.copy_(signs[:, None] * source)
            edit.shift.copy_(signs * shift)
    found = told(arm, kept["input_ids"], Prompts(lengths=kept["prompt_lengths"]))
    torch.testing.assert_close(found, kept[f"{weights}/logits"], atol=1e-5, rtol=1e-4)
    with arm.disable_adapter():
        assert (told(arm, kept["input_ids"], Prompts()) - found).abs().max() > 0.1


def test_all_layers_or_the_named_ones_are_edited_on_their_outputs(backbone, tokens):
    prompts = Prompts(lengths=torch.tensor([8, 8, 8]))
    model = opened(backbone(), "reft[layers=0;2,first=1,last=1]")
    assert model.edit.layers == (0, 2)
    assert moved(model, tokens, prompts).nonzero()[:, 1].unique().tolist() == [0, 7]
    every = opened(backbone())
    assert every.edit.layers == tuple(range(len(decoder_layers(find_decoder(every.get_base_model())))))


def test_scoring_training_tracing_and_generating_edit_the_same_places(backbone, tokenizer, examples):
    arm = opened(backbone())
    encoded = encode(tokenizer, examples, max_length=64).examples[:3]
    batch = collate(encoded, 0)
    by_labels = arm(**batch).logits
    lengths = Prompts(lengths=torch.tensor([one.prompt_length for one in encoded]))
    scored = told(arm, batch["input_ids"], lengths, attention_mask=batch["attention_mask"])
    assert torch.equal(by_labels, scored)
    with arm.disable_adapter():
        assert not torch.allclose(arm(**batch).logits, scored, atol=1e-3)
    traced = trace(arm, make_batch(encoded, [0, 1, 2], "solution", pad=0, device=torch.device("cpu")), "10")
    places_ = [
        (row, at) for row, one in enumerate(encoded) for at in range(one.prompt_length - 1, len(one.input_ids) - 1)
    ]
    rows, columns = zip(*places_, strict=True)
    torch.testing.assert_close(traced.logits, scored[rows, columns], atol=1e-5, rtol=1e-5)
    expected = torch.nn.functional.cross_entropy(
        scored[:, :-1][batch["labels"][:, 1:] != -100], batch["labels"][:, 1:][batch["labels"][:, 1:] != -100]
    )
    assert held_out_loss(arm, encoded, 0, 2) == pytest.approx(float(expected), rel=1e-5)
    # generation, padded on the left: the first tokens come from the same distributions, the next from edited prompts
    prompts = [one.input_ids[: one.prompt_length] for one in encoded]
    width = max(map(len, prompts)) + 3
    ids, mask = torch.zeros(3, width, dtype=torch.long), torch.zeros(3, width, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :], mask[row, width - len(prompt) :] = torch.tensor(prompt), 1
    new = arm.generate(
        input_ids=ids, attention_mask=mask, max_new_tokens=4, min_new_tokens=4, do_sample=False, pad_token_id=0,
        eos_token_id=None, output_logits=True, return_dict_in_generate=True,
    )  # fmt: skip
    for row, prompt in enumerate(prompts):
        whole = torch.tensor([[*prompt, *new.sequences[row, width:].tolist()]])
        read = told(arm, whole, Prompts(lengths=torch.tensor([len(prompt)])))[0, len(prompt) - 1 : -1]
        said = torch.stack([step[row] for step in new.logits])
        torch.testing.assert_close(said, read, atol=1e-4, rtol=1e-4)
        first = next_token(arm, torch.tensor([prompt]))["10"]
        torch.testing.assert_close(first, read[0].log_softmax(-1), atol=1e-4, rtol=1e-4)
    assert liveness(arm, torch.tensor([prompts[0]])).max_logit_change > 1e-2


def test_packed_rows_and_recomputed_activations_train_alike(backbone, tokenizer, examples, tmp_path):
    def losses(arm=ARM, **recipe):
        model = build(backbone(), parse_arm(arm), seed=0)
        settings = dataclasses.replace(SETTINGS, **recipe)
        return fit(model, tokenizer, examples, settings, seed=0, work_dir=tmp_path / "work").losses

    padded = losses()
    assert losses(packing=True) == pytest.approx(padded, rel=1e-4)
    assert losses(gradient_checkpointing=True) == pytest.approx(padded, rel=1e-5)
    assert losses(logits="targets") == pytest.approx(padded, rel=1e-5)
    assert min(padded) < padded[0]
    assert losses("reft[r=2,first=2,last=3,weights=shared]") != padded


def test_a_packed_row_is_its_examples_alone(backbone):
    arm = opened(backbone())
    examples = [EncodedExample(tuple(range(5 + at, 17 + at)), 4 + at) for at in range(3)]
    packed = collate_packed(examples, 0, None)
    with torch.no_grad():
        together = arm(**packed, use_cache=False).logits[0]
        alone = [arm(**collate([one], 0)).logits[0] for one in examples]
    begin = 0
    for one in alone:
        torch.testing.assert_close(together[begin : begin + len(one)], one, atol=1e-4, rtol=1e-4)
        begin += len(one)


def test_a_pass_that_does_not_say_where_prompts_end_is_refused(backbone, tokens):
    arm = opened(backbone())
    for pass_ in (lambda: arm(tokens), lambda: arm(tokens, past_key_values=DynamicCache())):
        with pytest.raises(UserError, match="nothing says where in this pass the prompt ends") as caught:
            pass_()
        assert "prompts_told" in caught.value.fix
    with arm.disable_adapter():
        arm(tokens)  # nothing is edited
    arm(tokens, labels=tokens.clone().fill_(-100).index_fill_(1, torch.tensor([11]), 5))
    with pytest.raises(UserError, match="nothing says"):
        arm(tokens)  # nor is what an earlier pass said taken for this one's
    with prompts_told(torch.nn.Linear(2, 2), Prompts()):
        pass  # models that do not ask are left alone


@pytest.mark.parametrize("options", [{}, {"use_cache": False}, {"prompt_lookup_num_tokens": 3}, {"num_beams": 1}])
def test_however_an_answer_is_generated_only_the_prompt_is_edited(backbone, tokens, options):
    arm = opened(backbone("qwen3"))
    ids = torch.cat([tokens[:1], tokens[:1, :6]], dim=1)  # it repeats itself, so that a lookup finds something
    expected = ids
    for _ in range(8):
        step = told(arm, expected, Prompts(lengths=torch.tensor([ids.shape[1]])))[:, -1:].argmax(-1)
        expected = torch.cat([expected, step], dim=1)
    found = arm.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=8, min_new_tokens=8,
        pad_token_id=0, eos_token_id=None, **options,
    )  # fmt: skip
    assert found.tolist() == expected.tolist()
    if options.get("use_cache") is False:
        assistant = arm.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=8, min_new_tokens=8,
            pad_token_id=0, eos_token_id=None, assistant_model=backbone("qwen3"),
        )  # fmt: skip
        assert assistant.tolist() == expected.tolist()


def test_labels_that_leave_no_prompt_are_refused(backbone, tokens):
    arm = opened(backbone())
    with pytest.raises(UserError, match="the labels leave no prompt") as caught:
        arm(tokens, labels=tokens)
    assert "-100" in caught.value.fix


def test_places_that_are_deaf_to_borders_cannot_be_packed(backbone, monkeypatch):
    arm = opened(backbone("qwen3"))
    assert check_packing(arm)
    genuine = prompt_edits.places
    monkeypatch.setattr(
        prompt_edits, "places", lambda prompts, real, _, **counts: genuine(prompts, real, None, **counts)
    )
    with pytest.raises(UserError, match="does not keep packed examples apart"):
        check_packing(arm)


def test_the_size_of_a_block_beside_it_can_be_matched(backbone, tokens):
    arm = opened(backbone(), "talan[layer=1]+reft[r=2]")
    with torch.no_grad():
        arm.talan.block.writeback.gate.fill_(0.3)
    assert matched_gate(arm, tokens) == pytest.approx(0.3, rel=0.2)


@pytest.mark.parametrize("kind", ["reft", "loreft"])
def test_a_rank_beyond_the_width_is_named(backbone, kind):
    with pytest.raises(UserError, match=rf"{kind}\[r=33\] does not fit") as caught:
        build(backbone(), parse_arm(f"{kind}[r=33]"), seed=0)
    assert "r=32" in caught.value.fix


def test_equal_layers_are_one_name():
    assert parse_arm("reft[layers=02;1]") == parse_arm("reft[layers=1;2]")


def test_a_prompt_in_pieces_is_refused(backbone, tokens):
    arm = opened(backbone())
    with torch.no_grad(), prompts_told(arm, Prompts()):
        cache = arm(tokens[:1, :6], use_cache=True).past_key_values
    with pytest.raises(UserError, match="in the middle"):
        arm.generate(input_ids=tokens[:1], past_key_values=copy.deepcopy(cache), max_new_tokens=2)
    with pytest.raises(UserError, match="in the middle"):
        arm.generate(input_ids=tokens[:1], prefill_chunk_size=4, max_new_tokens=2)
    arm.get_base_model().generation_config.prefill_chunk_size = 4
    with pytest.raises(UserError, match="in the middle"):
        arm.generate(tokens[:1], max_new_tokens=2)
    with pytest.raises(UserError, match="in the middle"):
        told(arm, tokens[:1, 6:], Prompts(lengths=torch.tensor([6])), past_key_values=cache)


def test_a_mask_of_another_shape_is_refused(backbone, tokens):
    arm = opened(backbone())
    with pytest.raises(UserError, match="attention mask of"):
        told(arm, tokens, Prompts(), attention_mask=torch.zeros(3, 1, 12, 12))
    cache = StaticCache(config=arm.config, max_cache_len=20)
    with pytest.raises(UserError, match="attention mask of"):
        told(arm, tokens, Prompts(), attention_mask={"full_attention": None}, past_key_values=cache)


def test_it_is_saved_with_its_options_and_reads_back_bit_equal(backbone, tokens, tmp_path):
    arm = opened(backbone(), "talan[layer=1]+reft[r=2,layers=0;2,first=1,last=0]")
    arm.save_pretrained(str(tmp_path))
    loaded = talan_core.load(tmp_path, backbone())
    assert loaded.partner == arm.partner
    assert torch.equal(told(loaded, tokens, Prompts()), told(arm, tokens, Prompts()))
    copied = copy.deepcopy(arm)
    with torch.no_grad():
        copied.edit.of_first["0"].shift.add_(1.0)
    assert not torch.equal(told(copied, tokens, Prompts()), told(arm, tokens, Prompts()))
    assert torch.equal(told(loaded, tokens, Prompts()), told(arm, tokens, Prompts()))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ("r=0", "r=0"),
        ("first=-1", "first=-1"),
        ("first=0,last=0", "nothing would be edited"),
        ("layers=1;1", "different numbers"),
        ("layers=1-2", "layers=1-2"),
        ("layers=٣", "layers="),
        ("weights=tied", "weights=tied"),
    ],
)
def test_wrong_options_are_named(options, named):
    with pytest.raises(UserError, match=named):
        parse_arm(f"reft[{options}]")


def test_a_layer_that_the_backbone_does_not_have_is_named(backbone):
    with pytest.raises(UserError, match=r"the backbone has 4 decoder layers") as caught:
        build(backbone(), parse_arm("reft[layers=0;9]"), seed=0)
    assert "from 0 to 3" in caught.value.fix
