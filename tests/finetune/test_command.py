from click.testing import CliRunner

from nerx.engine.commands.cli import cli


def nerx(*arguments):
    return CliRunner().invoke(cli, ["finetune", *map(str, arguments)])


def test_the_command_trains_and_prints_its_scores(base, entities, tmp_path):
    done = nerx(
        *("nerx-en", "-t", entities[0], "-d", entities[1], "--base", base, "-o", tmp_path / "out"),
        *(
            "--max-steps",
            3,
            "--no-bf16",
            "--set",
            "batch_tokens=none",
            "--set",
            "train_batch_size=4",
            "--set",
            "views=0",
        ),
    )
    assert done.exit_code == 0, done.output
    assert "dev precision" in done.stdout
    for step in (1, 2, 3):  # a short run logs each step
        assert f"step {step}/3  epoch 0.{4 * step:02}  loss " in done.stderr
    assert "dev F1" in done.stderr
    card = (tmp_path / "out" / "README.md").read_text()
    changes = "`batch_tokens=none`, `train_batch_size=4`, `views=0`, `bf16=false`"
    assert f"Changed from the recipe: {changes}." in card


def test_a_setting_without_a_value_is_refused(entities, tmp_path):
    done = nerx("nerx-en", "-t", "a", "-d", "b", "-o", tmp_path / "out", "--set", "epochs")
    assert "expected NAME=VALUE" in str(done.exception)
