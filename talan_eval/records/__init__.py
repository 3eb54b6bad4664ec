"""What is read back from the store: samples, notes, provenance, adoption, listing."""
