"""The program ``dcsite``: registers the commands, turns errors into one message and an exit code."""

import errno
import os
import sys
from typing import Annotated

import typer

EPILOG = (
    "Exit codes: 0 ok; 2 bad input; 3 infeasible (with the conflict); 4 stopped by a limit without the asked "
    "proof; 1 anything else. Results go to stdout, everything else to stderr."
)

app = typer.Typer(
    name="dcsite",
    help="Where should a compute load go, why, and how sure are we?",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(asked: bool) -> None:
    if asked:
        from dcsite import __version__

        typer.echo(f"dcsite {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Where should a compute load go, why, and how sure are we?"""


GROUPS = (
    "ranking",
    "spread",
    "portfolio",
    "front",
    "cooling",
    "rtt",
    "power",
    "money",
    "eligible",
    "batch",
    "files",
    "tables",
)
"""Modules of the commands, in the order of the help page; each adds its commands in ``register(app)``."""


def _register() -> None:
    from importlib import import_module

    for name in GROUPS:
        module = import_module(f"dcsite.cli.{name}")
        if hasattr(module, "register"):
            module.register(app)
        else:
            app.command(name)(getattr(module, name))


_register()


def _keep_passwords() -> None:
    """Take the passwords of database addresses out of the arguments, so that no part of the program sees one."""
    if any("postgres" in word.lower() for word in sys.argv[1:]):
        from dcsite.spec.address import keep_password

        sys.argv[1:] = [keep_password(word) for word in sys.argv[1:]]


def _told(error: Exception) -> str:
    """What an error says, without passwords."""
    from dcsite.spec.address import without_password

    return without_password(str(error))


def main() -> None:
    """Run the program; the only place that prints an error and picks an exit code."""
    from dcsite.errors import DcsiteError

    _keep_passwords()
    try:
        try:
            app(prog_name="dcsite")
        finally:
            sys.stdout.flush()
    except DcsiteError as error:
        sys.stdout.flush()
        print(f"error: {_told(error)}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of a pipe (head, less) has gone: that is not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        print("stopped by Ctrl-C", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except MemoryError:
        print("error: out of memory; try fewer sites, points or technologies", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            print(f"error: cannot write the result ({error.strerror})", file=sys.stderr)  # noqa: T201
            sys.exit(1)
        if os.environ.get("DCSITE_DEBUG"):
            raise
        print(  # noqa: T201
            f"error: unexpected {type(error).__name__}: {_told(error)}\n"
            "  hint: this is a fault of dcsite; DCSITE_DEBUG=1 shows the traceback for a report",
            file=sys.stderr,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
