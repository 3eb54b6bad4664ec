"""What a trained arm does inside its backbone: quantities with their controls, as functions of models and tensors.

- `capture` runs a model in one of its four states and keeps the residual stream; all hooks are there.
- `stream_effects` turns captured streams into norms, ratios, cosines and divergences, per example.
- `controls` draws what every quantity stands beside: directions and vectors that mean nothing.
- `audit` compares a block's weights with their initial values and with fresh draws.

The paper (arXiv 2606.06902) names these quantities; where it gives no formula, the definition is ours and stands at
the function.
"""
