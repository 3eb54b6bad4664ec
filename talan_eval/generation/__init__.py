"""The way from a checkpoint to its answers: prompts, batches, sampling."""
