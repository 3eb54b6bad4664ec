"""Hostile programs, one property each, that show whether a boundary holds; ``talan-eval sandbox check`` runs them."""
