"""What a trained arm does inside its backbone: quantities with their controls, as functions of models and tensors.

- `capture` runs a model in one of its four states and keeps the residual stream; all hooks are there.
- `effects` turns captured streams into the quantities of docs/internals.md, per example.
- `controls` draws what every quantity stands beside: directions and vectors that mean nothing.
- `audit` compares a block's weights with their initial values and with fresh draws.
- `configurations` says how far apart configurations are.

The definitions are ours where Zhang et al. (2026) give none; docs/internals.md says which.
"""
