"""Every hyperparameter of the reference and the built-in models, as data."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

from ..engine.errors import ConfigError
from ..engine.labels.schemes import Scheme

ENTITY_LABELS = (
    "O",
    *(f"{prefix}-{kind}" for kind in ("PER", "ORG", "LOC", "MISC") for prefix in "BI"),
)
SEGMENTATION_LABELS = ("B", "I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The figures of a published model card, as fractions of one."""

    precision: float
    recall: float
    f1: float
    accuracy: float
    loss: float
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What turns a base encoder and a corpus into one token classifier.

    `learning_rate` belongs to the topmost encoder layer; each layer below gets `layer_decay` times
    the rate of the one above, the embeddings least; the new classifier gets `head_learning_rate`.
    """

    name: str
    base: str | None = None  # None: must be given, or is cut from a teacher
    language: str | None = None
    labels: tuple[str, ...] = ()  # none: those of the data, or of the teachers
    epochs: float
    learning_rate: float
    head_learning_rate: float | None = None  # None: as learning_rate
    layer_decay: float = 1.0
    train_batch_size: int
    eval_batch_size: int
    eval_steps: int | None = None  # None: evaluate after each epoch
    keep_best: bool = False  # by F1, else the last
    seed: int = 42
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    weight_decay: float = 0.0
    warmup_ratio: float = 0.0
    max_grad_norm: float = 1.0
    hidden_dropout: float | None = None  # None: as the base has it
    attention_dropout: float | None = None
    word_dropout: float = 0.0  # share of training words replaced by the unknown token
    adversarial_step: float | None = (
        None  # length of the fast gradient method's step, if it is used
    )
    attention: str = "sdpa"
    batch_tokens: int | None = None  # instead of train_batch_size: subwords of a batch
    views: int = 0  # how often an epoch sees the text, cut into random windows; 0: by sentence
    bf16: bool | None = False  # None: where the hardware multiplies in it
    student_layers: int | None = None  # of what is cut from a teacher
    student_width: int | None = None
    student_inner: int | None = None  # neurons of each feed-forward; None: as many a channel
    card: Card | None = None

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} is {value}; expected more than 0")
        for name in _SHARES:
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise ConfigError(f"{name} is {value}; expected at least 0 and less than 1")
        if self.labels and (len(self.labels) < 2 or len(set(self.labels)) != len(self.labels)):
            raise ConfigError(f"labels are {self.labels}; expected two or more, each once")

    @property
    def task(self) -> str:
        return "segmentation" if Scheme.from_labels(self.labels).segmentation else "ner"

    @property
    def distilled(self) -> bool:
        """Whether it trains a student on what teachers say."""
        return self.student_layers is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """One use of a recipe."""

    recipe: Recipe
    train: tuple[str, ...]  # files, or names of corpora of the hub
    dev: tuple[str, ...]
    base: str | None  # a folder or a hub id; None: the student is cut from the first teacher
    revision: str | None = None  # of a base on the hub
    output: Path
    teachers: dict[str, str] = field(default_factory=dict)  # by name, the folder or hub id
    text: tuple[str, ...] = ()  # files without labels, for the teachers to label
    max_steps: int | None = None
    overrides: dict[str, str] = field(default_factory=dict)

    @property
    def work(self) -> Path:
        """Where checkpoints live until the finished model is moved to `output`."""
        return self.output.with_name(self.output.name + ".part")


_POSITIVE = (
    *("epochs", "learning_rate", "head_learning_rate", "layer_decay", "max_grad_norm"),
    *("train_batch_size", "eval_batch_size", "eval_steps", "adam_epsilon", "adversarial_step"),
    *("batch_tokens", "student_layers", "student_width", "student_inner"),
)
_SHARES = (
    *("adam_beta1", "adam_beta2", "warmup_ratio", "weight_decay"),
    *("hidden_dropout", "attention_dropout", "word_dropout"),
)
_FIXED = ("name", "language", "card")  # what a recipe is, not how it trains

_BUILT_IN = Recipe(
    name="nerx-en-sentences",
    base="intfloat/multilingual-e5-small",
    language="en",
    labels=ENTITY_LABELS,
    epochs=8,
    learning_rate=1e-4,
    train_batch_size=16,
    eval_batch_size=32,
    keep_best=True,
    weight_decay=0.01,
    warmup_ratio=0.04,
    attention_dropout=0.0,
    word_dropout=0.05,
    attention="eager",
    batch_tokens=384,
    bf16=None,
)
_ZH = {"language": "zh", "labels": SEGMENTATION_LABELS}
_DOCUMENTS = {"base": None, "epochs": 1, "learning_rate": 5e-5, "batch_tokens": 1024}
_DISTIL = replace(
    _BUILT_IN,
    name="distil",
    base=None,
    language=None,
    labels=(),
    epochs=4,
    learning_rate=5e-4,
    batch_tokens=2048,
    views=1,
    student_layers=3,
    student_width=256,
)
# Feed-forwards of three times the width: a seventh and an eleventh of the teachers' time.
_FAST = {
    "student_inner": 768,
    "batch_tokens": 1024,
    "learning_rate": 7e-4,
    "eval_steps": 1000,
    "hidden_dropout": 0.1,  # without this and the next, students learn their text by heart
    "word_dropout": 0.1,
}
_EN_FAST = {"language": "en", "epochs": 5}
_ZH_FAST = {"language": "zh", "epochs": 7, "student_layers": 2}

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="albert-conll2003",
            base="albert/albert-base-v2",
            language="en",
            labels=ENTITY_LABELS,
            epochs=3,
            learning_rate=2e-5,
            train_batch_size=8,
            eval_batch_size=8,
            card=Card(
                precision=0.9301, recall=0.9376, f1=0.9338, accuracy=0.9852, loss=0.0700, step=5268
            ),
        ),
        Recipe(
            name="bert-chinese-ws",
            base="ckiplab/bert-base-chinese-ws",
            language="zh",
            labels=SEGMENTATION_LABELS,
            epochs=7,
            learning_rate=2e-5,
            train_batch_size=18,
            eval_batch_size=18,
            eval_steps=1000,
            keep_best=True,
            card=Card(
                precision=0.9615, recall=0.9630, f1=0.9623, accuracy=0.9829, loss=0.0567, step=5000
            ),
        ),
        _BUILT_IN,
        replace(_BUILT_IN, name="nerx-zh-sentences", epochs=5, **_ZH),
        replace(_BUILT_IN, name="nerx-en", views=2, eval_steps=280, **_DOCUMENTS),
        replace(_BUILT_IN, name="nerx-zh", views=1, eval_steps=400, **_ZH | _DOCUMENTS),
        replace(_BUILT_IN, name="own", base=None, language=None, labels=(), epochs=5),
        _DISTIL,
        replace(_DISTIL, name="nerx-en-fast", **_FAST | _EN_FAST),
        replace(_DISTIL, name="nerx-zh-fast", **_FAST | _ZH_FAST),
    )
}


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises: ConfigError where there is none.
    """
    if name not in RECIPES:
        raise ConfigError(f"no recipe {name!r}; there are {', '.join(RECIPES)}")
    return RECIPES[name]


def override(recipe: Recipe, values: dict[str, str]) -> Recipe:
    """The recipe with some of its values replaced by what a user typed.

    Raises: ConfigError for a name that no recipe has, or a value of the wrong kind.
    """
    return replace(recipe, **{name: _parse(name, text) for name, text in values.items()})


def _parse(name: str, text: str) -> Any:
    hints = get_type_hints(Recipe)
    if name not in hints or name in _FIXED:
        known = ", ".join(sorted(set(hints) - set(_FIXED)))
        raise ConfigError(f"no hyperparameter {name!r} to set; there are {known}")
    if name == "labels":
        return tuple(text.split(","))
    kinds = get_args(hints[name]) or (hints[name],)
    if text == "none" and type(None) in kinds:
        return None
    if kinds[0] is bool:
        if text not in ("true", "false"):
            raise ConfigError(f"{name} is {text!r}; expected true or false")
        return text == "true"
    try:
        return kinds[0](text)
    except ValueError as error:
        raise ConfigError(f"{name} is {text!r}; expected {kinds[0].__name__}") from error
