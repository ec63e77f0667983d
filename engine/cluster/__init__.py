"""Engines of many machines: what they need beyond `BatchTagger`. Each module needs its extra."""
