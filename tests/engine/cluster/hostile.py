"""Texts that have broken taggers before, among ordinary ones."""

import random

_HOSTILE = [
    *("", None, " ", "\t\r\n", "\x00", "Paris\u2028Berlin\u2029", "\ufeffSeoul", "e\u0301" * 70),
    *(
        "我愛北京天安門",
        "ﷺ ب ب",
        "👩‍👩‍👧 in Lima",
        "'" * 300,
        "x" * 5000,
        "Oslo " * 900,
        "\u200d\u00ad",
    ),
]
_WORDS = (
    "Paris Berlin Seoul Lima Oslo xx n e l the of U.N. Merkel's 1,000.5 Zürich 北京 😀 , .".split()
)


def texts(count: int, seed: int = 0) -> list[str | None]:
    """The same texts for the same seed; one in twenty is hostile."""
    choose = random.Random(seed)
    return [
        choose.choice(_HOSTILE)
        if choose.random() < 0.05
        else " ".join(choose.choices(_WORDS, k=choose.randrange(30)))
        for _ in range(count)
    ]
