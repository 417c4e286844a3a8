"""pytest plug-in: the fixture `ivr`, a telephone system on a desk for tests of scripts.

    def test_menu(ivr):
        caller = ivr.call("ivrnode.py")
        assert caller.hears("press 1 for the office")
        caller.presses("1")

Scripts run in the real sandbox, on a simulated clock. Nothing is imported before the fixture is used.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ivrnode.sim.caller import Caller
    from ivrnode.sim.ivr import Ivr
    from ivrnode.sim.studio import Studio

__all__ = ["Caller", "Ivr"]

_IVR: pytest.StashKey[Ivr] = pytest.StashKey()


def __getattr__(name: str) -> Any:
    """`Caller` and `Ivr`, for annotations."""
    if name == "Caller":
        from ivrnode.sim.caller import Caller

        return Caller
    if name == "Ivr":
        from ivrnode.sim.ivr import Ivr

        return Ivr
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@pytest.fixture(scope="session")
def ivrnode_studio() -> Iterator[Studio]:
    """The processes behind all tests of a session: script workers and speech."""
    from ivrnode.sim.studio import Studio

    with Studio() as studio:
        yield studio


@pytest.fixture
def ivr(
    request: pytest.FixtureRequest, ivrnode_studio: Studio, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ivr]:
    """A system with one tenant. `ivr.call(script)` gives a virtual caller. For plain `def` tests.

    A script that fails fails the test, unless the test looks at `caller.errors`.
    """
    from ivrnode.sim.ivr import Ivr

    ivr = Ivr(ivrnode_studio, tmp_path_factory.mktemp("tenants"), request.path.parent)
    request.node.stash[_IVR] = ivr
    try:
        yield ivr
    finally:
        ivr.close()
    for caller in ivr.callers:
        if caller.unseen_errors:
            pytest.fail("the script failed:\n" + "\n".join(caller.unseen_errors), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what happened in its calls."""
    report = yield
    ivr = item.stash.get(_IVR, None)
    if report.failed and ivr is not None:
        for number, caller in enumerate(ivr.callers, 1):
            report.sections.append((f"timeline of call {number}", caller.timeline))
    return report
