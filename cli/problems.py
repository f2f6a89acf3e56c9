"""Turns a failure into words on standard error and an exit code: the one edge of the command line."""

import os
import sys
import traceback

import click

from core.fault import Refused
from core.log import redact
from core.settings import SettingsError

FAILED = 1
ASKED_WRONGLY = 2
INTERRUPTED = 130


class Stopped(Exception):
    """A command can't go on; ``message`` says what happened and what to do, ``code`` is the exit code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def report(error: Exception) -> int:
    """Write what went wrong to standard error and return the exit code."""
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case click.Abort():
            return INTERRUPTED
        case click.ClickException():
            error.show(sys.stderr)
            return error.exit_code
        case SettingsError():
            return _settings(error)
        case Stopped():
            _say(error.message)
            return error.code
        case Refused():
            _say(_refusal(error))
            return FAILED
        case BrokenPipeError():
            # The reader of a pipe has seen enough; the interpreter must not complain when it flushes.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
    _say("This is a fault in langwatch itself:")
    sys.stderr.write(redact("".join(traceback.format_exception(error))))
    return FAILED


def _settings(error: SettingsError) -> int:
    count = len(error.mistakes)
    _say(f"{count} setting{'s are' if count > 1 else ' is'} wrong; nothing was started.")
    for mistake in error.mistakes:
        sys.stderr.write(f"  {redact(mistake)}\n")
    sys.stderr.write("`langwatch settings` lists every setting with its unit and default.\n")
    return ASKED_WRONGLY


def _refusal(error: Refused) -> str:
    fields = error.facts.get("errors")
    lines = [error.message or error.fault.hint]
    if isinstance(fields, dict):
        lines += [f"  {name}: {sentence}" for name, sentence in fields.items()]
    return "\n".join(lines)


def _say(message: str) -> None:
    sys.stderr.write(redact(f"Error: {message}\n"))
