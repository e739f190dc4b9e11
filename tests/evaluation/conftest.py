from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from lightwell.cli import app


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs the command line with some words; gives its exit code and all that it said."""

    def run(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["lightwell", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            app.main()
        said = capsys.readouterr()
        code = left.value.code
        if isinstance(code, str):  # the interpreter would print it and exit with 1
            return 1, said.out + said.err + code
        return code or 0, said.out + said.err

    return run
