"""What a service counts, as Prometheus reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

__all__ = ["Counters"]

_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Counters:
    """Requests by route and status, and how long pictures took; used from the event loop alone."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets = [0] * len(_BUCKETS)
        self._pictures, self._seconds = 0, 0.0

    def request(self, method: str, route: str, status: int) -> None:
        """Count one answer; ``route`` is the path's template, so that there are few."""
        self._requests[method, route, status] += 1

    def picture(self, seconds: float) -> None:
        """Count one restored picture."""
        self._pictures += 1
        self._seconds += seconds
        for place, bound in enumerate(_BUCKETS):
            self._buckets[place] += seconds <= bound

    def text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """Prometheus' text format.

        Args:
            gauges: value and meaning of what goes up and down, by name.
        """
        lines = ["# HELP lightwell_requests_total Requests answered.", "# TYPE lightwell_requests_total counter"]
        lines += [
            f'lightwell_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}'
            for (method, route, status), count in sorted(self._requests.items())
        ]
        name = "lightwell_restore_seconds"
        lines += [f"# HELP {name} Seconds that a picture took, without its wait.", f"# TYPE {name} histogram"]
        for bound, count in zip(_BUCKETS, self._buckets, strict=True):
            lines.append(f'{name}_bucket{{le="{bound:g}"}} {count}')
        lines += [f'{name}_bucket{{le="+Inf"}} {self._pictures}', f"{name}_sum {self._seconds:.6f}"]
        lines.append(f"{name}_count {self._pictures}")
        for gauge, (meaning, value) in gauges.items():
            lines += [f"# HELP lightwell_{gauge} {meaning}", f"# TYPE lightwell_{gauge} gauge"]
            lines.append(f"lightwell_{gauge} {value:g}")
        return "\n".join(lines) + "\n"
