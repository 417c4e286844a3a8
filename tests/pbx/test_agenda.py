"""The agenda against a model: a dict of deadlines that is scanned."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ivrnode.pbx.house.agenda import Agenda

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 5), st.floats(0, 100)),
        st.tuples(st.just("forget"), st.integers(0, 5), st.just(0.0)),
        st.tuples(st.just("tick"), st.just(0), st.floats(0, 10)),
    )
)


@given(STEPS)
def test_does_each_job_once_and_in_time(steps: list[tuple[str, int, float]]) -> None:
    agenda, model, now = Agenda(), dict[int, float](), 0.0
    done: list[int] = []
    for what, key, value in steps:
        if what == "set":
            agenda.set(key, value, lambda at, key=key: done.append(key))
            model[key] = value
        elif what == "forget":
            agenda.set(key, None)
            model.pop(key, None)
        else:
            now += value
            agenda.tick(now)
            due = {key for key, at in model.items() if at <= now}
            assert set(done) == due and len(done) == len(due)
            for key in due:
                del model[key]
            done.clear()
        assert agenda.next_deadline() == (min(model.values()) if model else None)
        assert all(agenda.has(key) for key in model)


def test_jobs_run_in_the_order_of_their_times() -> None:
    agenda, done = Agenda(), list[str]()
    agenda.set("late", 2.0, lambda _: done.append("late"))
    agenda.set("early", 1.0, lambda _: done.append("early"))
    agenda.tick(5.0)
    assert done == ["early", "late"]


def test_a_job_may_set_another_that_is_due_at_once() -> None:
    agenda, done = Agenda(), list[float]()
    agenda.set("first", 1.0, lambda now: agenda.set("second", now, done.append))
    agenda.tick(1.5)
    assert done == [1.5]


def test_a_deadline_that_moves_all_the_time_leaves_nothing_behind() -> None:
    agenda = Agenda()
    for turn in range(10_000):
        agenda.set("wake", 3600.0 + turn, lambda _: None)
    assert len(agenda._heap) < 100
    assert agenda.next_deadline() == 3600.0 + 9999
