"""Counts and times for Prometheus, in a registry of the service's own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
BATCHES = (1, 2, 4, 8, 16, 32)


class Measures:
    """What /metrics shows."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        of = ("path", "status")
        self.requests = Counter("cleaner_requests", "Answered requests.", of, registry=self.registry)
        self.seconds = Histogram(
            "cleaner_request_seconds",
            "From head to answer.",
            ("path",),
            registry=self.registry,
            buckets=SECONDS,
        )
        self.pictures = Counter("cleaner_pictures", "Classified pictures.", registry=self.registry)
        self.batches = Histogram(
            "cleaner_batch_pictures", "Pictures computed at once.", registry=self.registry, buckets=BATCHES
        )
        self.waiting = Gauge("cleaner_waiting_pictures", "Pictures not yet answered.", registry=self.registry)
        self.held = Gauge("cleaner_held_bytes", "Bytes of bodies in memory.", registry=self.registry)

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self.registry)
