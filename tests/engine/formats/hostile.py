"""Strings and inputs that break careless readers."""

from hypothesis import strategies as st

SURROGATES = "\ud800\udc00\udfff"
PARTS = [
    "a",
    "Zoë",
    "e\u0301",  # a combining mark
    "我",
    "🇩🇪",
    "👩‍🚀",
    "שלום",  # right to left
    "\u202e",
    "\u2028",
    "\x85",
    "\x00",
    "\ufeff",
    "\ufffd",
    "{",
    "}",
    '"',
    "\\",
    "\\u0065",
    ",",
    "#",
    "-DOCSTART-",
    "entities",
    "\x0b",
    "\x1c",
]
TEXT = st.lists(st.sampled_from([*PARTS, " ", "  ", "\t"]), max_size=12).map("".join)  # of a line
ANY_TEXT = st.one_of(
    st.lists(st.sampled_from([*PARTS, *SURROGATES, " ", "\n", "\r", "\t"]), max_size=12).map(
        "".join
    ),
    st.text(st.characters(codec=None), max_size=12),  # unpaired surrogates too
)
WORD = st.lists(st.sampled_from(PARTS), min_size=1, max_size=3).map("".join)
LINE_END = st.sampled_from(["\n", "\r\n"])
