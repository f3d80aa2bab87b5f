"""The program as a process: light start, clean stdout, exit codes, quiet pipes."""

import json
import os
import subprocess
import sys

import pytest

HEAVY = ("numpy", "pandas", "scipy", "geopandas", "shapely", "pulp", "highspy", "dcsite.study")


def dcsite(*arguments, **options):
    environment = {**os.environ, "COLUMNS": "100", **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-m", "dcsite", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=300,
        **options,
    )


@pytest.mark.parametrize("arguments", [["--help"], ["rank", "--help"], ["optimize", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments):
    code = (
        f"import sys; sys.argv = ['dcsite', *{arguments!r}]\n"
        "from dcsite.cli import app\n"
        "try:\n    app.main()\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr.strip() == "[]"


def test_a_ranking_that_nobody_waits_for_loads_no_optimizer_and_no_trees():
    names = ("scipy.optimize", "scipy.spatial", "scipy.special", "geopandas", "pulp", "highspy")
    code = (
        "import sys; sys.argv = ['dcsite', 'rank', '--profile', 'ai-training', '--top', '1']\n"
        "from dcsite.cli import app\n"
        "try:\n    app.main()\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {names!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr.strip().splitlines()[-1] == "[]"


def test_every_command_has_an_example_in_its_help():
    from typer.main import get_command

    from dcsite.cli.app import app

    def walk(group, prefix=()):
        for name, command in group.commands.items():
            if getattr(command, "commands", None):
                yield from walk(command, (*prefix, name))
            else:
                yield (*prefix, name), command

    without = [
        " ".join(name) for name, command in walk(get_command(app)) if "dcsite " not in (command.help or "")
    ]
    assert not without


def test_json_is_json_and_nothing_but_json():
    done = dcsite("compare", "quincy", "plano", "--profile", "crypto", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["schema"].startswith("dcsite.")


BAD_INPUT = (
    ["rank", "--profile", "clowd"],
    ["rank", "--weights", "price=-1"],
    ["rank", "--where", "planet=mars"],
    ["rank", "--scenario", "nowhere.toml"],
    ["rank", "--data-dir", "/nonexistent"],
    ["rank", "--at", "95,10"],
    ["rank", "--only-own"],
    ["compare", "quincy", "atlantis"],
    ["compare", "quincy"],
    ["optimize", "nowhere.toml"],
    ["cooling", "--at", "10,10", "--technology", "fans"],
    ["rtt", "ashburn", "frankfurt", "--network", "pigeon"],
    ["data", "show", "nothing"],
    ["eligible", "--rules", "us-1999-01"],
)


@pytest.mark.parametrize("arguments", BAD_INPUT, ids=" ".join)
def test_bad_input_is_one_message_and_exit_2(arguments, capsys, monkeypatch):
    from dcsite.cli import app

    monkeypatch.setattr(sys, "argv", ["dcsite", *arguments])
    with pytest.raises(SystemExit) as caught:
        app.main()
    printed = capsys.readouterr()
    assert caught.value.code == 2, printed.err
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert "unexpected" not in printed.err


def test_bad_input_of_a_real_process_is_exit_2_without_a_traceback():
    done = dcsite("rank", "--profile", "clowd")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "did you mean 'cloud'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_fault_of_ours_is_one_message_and_exit_1(capsys, monkeypatch):
    from dcsite.cli import app

    def broken(**_):
        msg = "boom"
        raise RuntimeError(msg)

    monkeypatch.setattr(app, "app", broken)
    with pytest.raises(SystemExit) as caught:
        app.main()
    assert caught.value.code == 1
    assert "unexpected RuntimeError: boom" in capsys.readouterr().err
    monkeypatch.setenv("DCSITE_DEBUG", "1")
    with pytest.raises(RuntimeError):
        app.main()


def test_an_unknown_option_is_exit_2():
    done = dcsite("rank", "--no-such-option")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_output_is_the_same_without_color_and_on_a_second_run():
    first = dcsite("rank", "--profile", "crypto", "--top", "5")
    second = dcsite("rank", "--profile", "crypto", "--top", "5", env={"FORCE_COLOR": "1", "NO_COLOR": "1"})
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    assert "\x1b" not in first.stdout


def test_a_closed_pipe_ends_quietly():
    done = subprocess.run(
        f"{sys.executable} -m dcsite rank --profile crypto --top 200 --format csv | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "Traceback" not in done.stderr
    assert done.stdout.count("\n") == 1
