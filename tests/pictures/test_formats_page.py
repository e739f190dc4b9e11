from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_page_of_formats_is_what_the_codecs_say() -> None:
    script = Path(__file__).resolve().parents[2] / "tools" / "formats.py"
    result = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
