"""Backbones by name: ``names`` says which there are and how each is tuned, ``load`` brings one into memory."""
