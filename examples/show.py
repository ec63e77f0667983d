"""Prints the JSONL that `nerx tag` writes, with every entity in brackets before its type."""

import json
import sys


def bracketed(record: dict) -> str:
    """The text of a record, from its last entity to its first so that the offsets stay right."""
    text = record["text"]
    for entity in reversed(record["entities"]):
        start, end = entity["start"], entity["end"]
        text = f"{text[:start]}[{text[start:end]} {entity['entity_group']}]{text[end:]}"
    return text


for line in sys.stdin:
    print(bracketed(json.loads(line)))
