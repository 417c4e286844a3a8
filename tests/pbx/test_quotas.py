"""What a tenant may use: windows that slide, calls that are counted alone."""

from __future__ import annotations

from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrnode.pbx.house.quotas import RULES, SLICES, Quotas, Window
from ivrnode.tenancy.quotas import QuotaLimits


def quotas(**limits: int) -> Quotas:
    tenant: Any = SimpleNamespace(quotas=QuotaLimits(**limits))
    return Quotas(lambda domain: tenant)


def test_every_rule_is_a_key_and_every_key_a_rule() -> None:
    assert {rule.name for rules in RULES.values() for rule in rules} == {item.name for item in fields(QuotaLimits)}


@pytest.mark.parametrize("what", RULES)
def test_each_quota_is_refused_by_name_and_costs_nothing_then(what: str) -> None:
    rule = RULES[what][0]
    used = quotas(**{rule.name: 2})
    assert used.take("a", what, 2 * rule.unit, 10.0, "c1") == ""
    assert used.take("a", what, rule.unit, 10.0, "c1") == f"quota {rule.name}: 2 are used up"
    assert used.take("b", what, 1, 10.0, "c2") == "", "another tenant has his own"


def test_the_window_slides() -> None:
    used = quotas(dials_per_hour=2, dials_per_call=9)
    assert [used.take("a", "dials", 1, at, "c1") for at in (0.0, 1800.0)] == ["", ""]
    assert "dials_per_hour" in used.take("a", "dials", 1, 3599.0, "c1")
    assert used.take("a", "dials", 1, 3661.0, "c1") == ""
    assert "dials_per_hour" in used.take("a", "dials", 1, 3662.0, "c1")


def test_a_call_is_counted_alone_and_forgotten() -> None:
    used = quotas(transfers_per_call=1)
    assert used.take("a", "transfers", 1, 0.0, "c1") == ""
    assert used.take("a", "transfers", 1, 0.0, "c1") == "quota transfers_per_call: 1 are used up"
    assert used.take("a", "transfers", 1, 0.0, "c2") == ""
    used.forget("c1")
    assert used.take("a", "transfers", 1, 0.0, "c1") == ""


def test_a_refused_use_is_counted_in_no_rule() -> None:
    used = quotas(dials_per_call=9, dials_per_hour=1)
    used.take("a", "dials", 1, 0.0, "c1")
    for _ in range(20):
        assert "dials_per_hour" in used.take("a", "dials", 1, 1.0, "c1")
    assert used.take("a", "dials", 1, 4000.0, "c1") == ""


def test_none_forbids() -> None:
    assert quotas(sms_per_call=0).take("a", "sms", 1, 0.0, "c") == "quota sms_per_call: 0 are allowed"


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 5)), max_size=80), st.integers(1, 20))
def test_never_more_than_the_limit_in_any_window(uses: list[tuple[float, int]], limit: int) -> None:
    used, now, taken = quotas(connections_per_minute=limit), 0.0, list[tuple[float, int]]()
    for pause, amount in uses:
        now += pause
        if not used.take("a", "connections", amount, now):
            taken.append((now, amount))
        assert sum(amount for at, amount in taken if at > now - 60) <= limit


def test_a_window_stays_small() -> None:
    window = Window(60)
    for step in range(100_000):
        now = step / 100
        window.forget_old(now)
        window.add(1, now)
    assert len(window._slices) <= SLICES + 2
