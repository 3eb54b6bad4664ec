"""The embedded backbone ``micro``: its weights, the generated world that it knows, and how it was pre-trained."""
