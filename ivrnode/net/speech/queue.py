"""Who is served next: tenants take turns, and each one's jobs keep their order."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

Job = TypeVar("Job")


class FairQueue(Generic[Job]):
    """Between two jobs of one tenant every other waiting tenant gets one: a long text delays no one else's greeting.

    At most `limit` jobs of a tenant wait.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: OrderedDict[str, deque[Job]] = OrderedDict()  # in the order of turns; no empty ones

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def put(self, tenant: str, job: Job) -> bool:
        """False, and nothing put, when the tenant has `limit` jobs waiting."""
        jobs = self._waiting.setdefault(tenant, deque())
        if len(jobs) >= self._limit:
            return False
        jobs.append(job)
        return True

    def put_first(self, tenant: str, job: Job) -> None:
        """Give back what was taken: it is the next to be taken."""
        self._waiting.setdefault(tenant, deque()).appendleft(job)
        self._waiting.move_to_end(tenant, last=False)

    def take(self) -> Job | None:
        if not self._waiting:
            return None
        tenant, jobs = self._waiting.popitem(last=False)
        job = jobs.popleft()
        if jobs:
            self._waiting[tenant] = jobs
        return job

    def drop(self, tenant: str, job: Job) -> None:
        """Nobody waits for `job` any more. Nothing happens if it was taken already."""
        jobs = self._waiting.get(tenant, deque())
        if job in jobs:
            jobs.remove(job)
            if not jobs:
                del self._waiting[tenant]
