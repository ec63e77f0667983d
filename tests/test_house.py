"""What must hold for the project as a whole: packaging, import direction, light imports, docs."""

import ast
import doctest
import importlib
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from nerx.engine.commands.cli import cli

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = ("engine", "export", "finetune", "kernels", "benchmarks")
MAY_IMPORT = {
    "kernels": {"kernels"},
    "engine": {"engine", "kernels"},
    "export": {"export", "engine", "kernels"},
    "finetune": {"finetune", "export", "engine", "kernels"},
    "benchmarks": {"benchmarks", "finetune", "export", "engine", "kernels"},
}
# What each room of the engine may know; modules at its root that are not named know all but
# commands.
SHARED = {"arrays", "bundle", "config", "errors", "types"}
ROOMS = {
    **dict.fromkeys(SHARED, SHARED),
    **{room: SHARED | {room} for room in ("files", "formats", "text", "labels")},
    "backends": SHARED | {"files", "labels", "backends"},
    "inference": SHARED | {"text", "labels", "backends", "inference"},
}
ROOMS["model"] = {*ROOMS, "model"}
ROOMS["run"] = ROOMS["model"] | {"run"}
ROOMS["view"] = ROOMS["run"] | {"view"}
ROOMS["adapters"] = {*ROOMS, "tagger", "adapters", "bundles"}  # doors, as commands are
HEAVY = (
    *("torch", "transformers", "onnx", "onnxruntime", "openvino", "tensorrt", "seqeval"),
    *("pyarrow", "ray", "pyspark", "spacy", "jinja2"),
)
# Modules of the engine that are loaded only by who has installed an extra.
EXTRAS = {
    "engine/adapters/spacy.py": {"spacy"},
    "engine/arrow.py": {"pyarrow"},
    "engine/cluster/ray.py": {"pyarrow", "ray"},
    "engine/cluster/spark.py": {"pyarrow", "pyspark"},
    "engine/files/tables.py": {"pyarrow"},
    "engine/formats/arrow.py": {"pyarrow"},
    "engine/formats/tables.py": {"pyarrow"},
}
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
ENGINE = [path for path in MODULES if path.is_relative_to(ROOT / "engine")]
FINDER = ROOT / "engine" / "bundles" / "find.py"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")])
CONTEXT = click.Context(cli)
COMMANDS = cli.list_commands(CONTEXT)
CAPTURE = {"check": True, "text": True, "capture_output": True}
NERX = ["-c", "from nerx.engine.commands.cli import main; main()"]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path, inside_functions: bool = True) -> Iterator[str]:
    """Dotted names that a module imports; imports for type checkers only are left out."""
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.FunctionDef) and not inside_functions:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = ["nerx", *path.relative_to(ROOT).parts[:-1]]
            base = (
                [*home[: len(home) + 1 - node.level], node.module] if node.level else [node.module]
            )
            # `from .run import stream` imports a module, `from click import echo` a name
            yield from (".".join([*filter(None, base), alias.name]) for alias in node.names)
        waiting.extend(ast.iter_child_nodes(node))


# --- examples in docstrings ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", [path for path in ENGINE if ">>> " in path.read_text()], ids=name_of
)
def test_examples_in_docstrings_are_true(path):
    name = "nerx." + ".".join(path.relative_to(ROOT).with_suffix("").parts)
    done = doctest.testmod(importlib.import_module(name))
    assert done.attempted
    assert not done.failed


# --- packaging ---------------------------------------------------------------------------------


def test_every_folder_with_modules_is_a_listed_package():
    # An unlisted one imports in editable mode and is missing from the wheel.
    folders = {path.parent for path in MODULES}
    on_disk = {"nerx." + ".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == on_disk


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES}), ids=name_of)
def test_every_package_has_an_init(folder):
    assert (folder / "__init__.py").is_file()


def test_nerx_itself_is_a_namespace():
    assert not (ROOT / "__init__.py").exists()


def test_extras_in_the_docs_exist():
    extras = set(PROJECT["project"]["optional-dependencies"])
    for page in PAGES:
        for found in re.findall(r"nerx-engine\[([\w,-]+)\]", page.read_text()):
            assert set(found.split(",")) <= extras, f"{name_of(page)}: [{found}]"


def test_one_version_everywhere():
    version = PROJECT["project"]["version"]
    assert importlib.metadata.version("nerx-engine") == version
    assert re.search(rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(), re.M)
    shown = subprocess.run([sys.executable, *NERX, "--version"], **CAPTURE)
    assert shown.stdout == f"nerx {version}\n"


# --- imports -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_one_way(path):
    folder = path.relative_to(ROOT).parts[0]
    # Commands may use the other packages, but only once they are called; so may what finds a model
    # by its name, for `Tagger` takes a hub id as `nerx tag` does.
    command = path.parent == ROOT / "engine" / "commands" or path == FINDER
    for name in imports(path, inside_functions=not command):
        if name.startswith("nerx."):
            assert name.split(".")[1] in MAY_IMPORT[folder], f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("path", ENGINE, ids=name_of)
def test_rooms_of_the_engine_know_those_before_them(path):
    room = path.relative_to(ROOT / "engine").parts[0].removesuffix(".py")
    known = {name.split(".")[2] for name in imports(path) if name.startswith("nerx.engine.")}
    assert known <= ROOMS.get(room, known - {"commands"}) or room == "commands"


def test_few_modules_stand_at_the_root_of_the_engine():
    assert len(list((ROOT / "engine").glob("*.py"))) <= 9


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_inside_the_project_are_relative(path):
    assert not re.search(r"^\s*(?:from|import) nerx\b", path.read_text(), re.M)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_engine_touches_torch_in_backends_only(path):
    # ... and in commands once they are called
    folder = path.relative_to(ROOT).parts[:2]
    if folder[0] == "engine" and folder[1] != "backends":
        found = imports(path, inside_functions=folder[1] != "commands")
        assert not {name.split(".")[0] for name in found} & {"torch", "transformers"}


def test_what_engine_imports_is_in_the_base_install():
    required = {
        re.match(r"[\w-]+", spec).group().lower() for spec in PROJECT["project"]["dependencies"]
    }
    for path in MODULES:
        if path.relative_to(ROOT).parts[0] != "engine" or "backends" in path.parts:
            continue
        tops = {name.split(".")[0] for name in imports(path, inside_functions=False)}
        known = {*required, *EXTRAS.get(name_of(path), ()), "nerx", *sys.stdlib_module_names}
        assert tops <= known, name_of(path)


@pytest.mark.parametrize("words", [["-c", "import nerx.engine"], [*NERX, "--help"]])
def test_light_imports(words):
    shown = subprocess.run([sys.executable, "-X", "importtime", *words], **CAPTURE)
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in shown.stderr.splitlines()}
    assert "nerx" in loaded
    assert not loaded & set(HEAVY)


# --- size and wording --------------------------------------------------------------------------


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_stay_readable(path):
    assert len(path.read_text().splitlines()) <= 320


def texts() -> Iterator[Path]:
    """The files that people read or run; models, data and results are left out."""
    # .git is a file in a linked worktree
    kept = (path for path in ROOT.iterdir() if path.suffix != ".lock" and path.name != ".git")
    yield from filter(Path.is_file, kept)
    for folder in (*FOLDERS, "docs", "examples", "tests", ".ci"):
        for path in (ROOT / folder).rglob("*"):
            readable = path.suffix in {".py", ".md", ".sh", ".toml", ""} and path.is_file()
            if readable and "__pycache__" not in path.parts:
                yield path


def test_no_path_of_one_machine():
    foreign = re.compile(r"(?<![\w.~])/(?:home|opt|root|work|Users)/\w")
    found = [name_of(path) for path in texts() if foreign.search(path.read_text())]
    assert not found


# --- docs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        aim = (page.parent / path).resolve() if path else page
        assert aim.exists(), f"{name_of(page)}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", aim.read_text(), re.M)
            slugs = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}
            assert anchor in slugs, f"{name_of(page)}: {target}"


def options_of(name: str) -> set[str]:
    command = cli.get_command(CONTEXT, name)
    options = (param for param in command.params if isinstance(param, click.Option))
    return {opt for option in options for opt in (*option.opts, *option.secondary_opts)}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_documented(command):
    sections = re.split(r"^## ", (ROOT / "docs" / "cli.md").read_text(), flags=re.M)
    section = next((text for text in sections if text.startswith(f"`nerx {command}`")), None)
    assert section, f"docs/cli.md has no section for nerx {command}"
    named = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", section))
    missing = {opt for opt in options_of(command) if opt not in named}
    assert not missing
    strange = {opt for opt in named if opt.startswith("--")} - options_of(command)
    assert not strange - {"--help"}


def shown_commands() -> Iterator[tuple[str, str]]:
    """Every `nerx ...` command line of the docs and the Makefile, with the page that shows it."""
    for page in (*PAGES, ROOT / "Makefile", ROOT / ".ci" / "run"):
        text = page.read_text().replace("\\\n", " ")
        for line in re.findall(r"(?:^|[/`$(| ])nerx ([a-z]+(?: [^`\n|>)]*)?)", text, re.M):
            if line.split()[0] in COMMANDS:
                yield name_of(page), line


def test_the_docs_show_commands():
    assert {line.split()[0] for _, line in shown_commands()} == set(COMMANDS)


@pytest.mark.parametrize(("page", "line"), sorted(set(shown_commands())))
def test_shown_commands_exist(page, line):
    command, *words = line.split("#")[0].split()
    known = options_of(command) | {"--help"}
    given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert given <= known


def test_examples_have_a_licence():
    notes = (ROOT / "examples" / "README.md").read_text()
    data = [path for path in (ROOT / "examples").iterdir() if path.suffix not in {".py", ".md"}]
    assert data
    for path in data:
        assert path.name in notes
    assert "CC BY" in notes
