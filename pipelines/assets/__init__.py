"""The assets: each fetches, calls one function, writes, and says what it did.

Nothing is computed here; `pipelines/definitions.py` lists what there is.
"""
