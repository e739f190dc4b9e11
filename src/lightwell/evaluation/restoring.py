"""Restoring a folder for an evaluation, with what it cost."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

from lightwell.evaluation.evaluate import Cost, Method
from lightwell.export import cached_graph, is_weights
from lightwell.files import make_folder, whole_file
from lightwell.jobs.events import Event, Job
from lightwell.jobs.plan import plan_named
from lightwell.jobs.run import Tell, finish, run
from lightwell.pictures import read
from lightwell.restoring.restorer import Restorer
from lightwell.weights import name_of

__all__ = ["Restoring", "restore_all"]


class Restoring:
    """Pictures that a model restores as PNG, one after the other with all cores, so that the times are honest.

    Args:
        model: a shipped model's name, an ONNX file, a weights file or the folder of a training run.
        low: dark pictures by name.
        folder: where to; made if missing.
        overwrite: replace pictures that are there.
        max_memory: what one picture may take, as in `Restorer`.
        tell: called with a line before something else that takes time.

    Raises:
        PlanError: a picture is there already.
    """

    def __init__(
        self,
        model: str,
        low: Mapping[str, Path],
        folder: Path,
        *,
        overwrite: bool = False,
        max_memory: int | str = "2G",
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._model, self._overwrite, self._tell = model, overwrite, tell
        self._max_memory = max_memory
        self._jobs = plan_named(low, folder, "PNG", overwrite=overwrite)
        self._costs: dict[Job, Cost] = {}

    def events(self) -> Generator[Event, None, None]:
        """Restores them.

        Raises:
            WeightsError: there is no such model.
        """
        if is_weights(self._model):
            cached_graph(self._model, self._tell)
        restorer = Restorer(self._model, max_memory=self._max_memory)

        def work(job: Job, tell: Tell) -> tuple[int, int]:
            assert job.source is not None
            assert job.output is not None
            picture = read(job.source)
            _forget_peak()
            start = time.perf_counter()
            restored = restorer(picture, progress=tell.progress)
            self._costs[job] = Cost(time.perf_counter() - start, _peak())
            make_folder(job.output.parent)
            with whole_file(job.output, replace=self._overwrite) as stream:
                notes = restored.write(stream, format="PNG")
            for note in (*restored.warnings, *notes):
                tell.note(note)
            return restored.size[1], restored.size[0]

        yield from run(self._jobs.values(), work)

    def method(self) -> Method:
        """What came of it, once all are restored."""
        restored = {name: job.output for name, job in self._jobs.items() if job.output is not None}
        return Method(
            name_of(self._model), restored, costs={name: self._costs[job] for name, job in self._jobs.items()}
        )


def restore_all(model: str, low: Mapping[str, Path], folder: Path) -> Method:
    """Restores pictures as `Restoring` does, all or none.

    Raises:
        LightwellError: as `Restoring`, or of the first picture that cannot be restored.
    """
    restoring = Restoring(model, low, folder)
    finish(restoring.events())
    return restoring.method()


def _forget_peak() -> None:
    """Makes Linux count the process's peak memory afresh; elsewhere there is no such switch."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int | None:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else None
