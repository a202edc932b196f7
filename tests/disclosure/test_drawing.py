"""What is drawn: right on average, possible for every count, the same for the same key; and what can be worked out of it."""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping
from itertools import combinations

import pytest

from platform_assets.disclosure.auditor import SPAN, Seen, narrowed, possible, verdict
from platform_assets.disclosure.drawing import Keyed, draw, draw_amount
from platform_assets.disclosure.policy import Policies, Policy, read_policies

KEY = b"k" * 32
POLICY = Policy()
OPEN = Policy(sensitive=False)


def batch(counts: Mapping[str, int], label: str, policy: Policy = POLICY, cases: int = 100) -> dict[str, Seen]:
    drawn = draw(counts, dict.fromkeys(counts, cases), policy, Keyed(KEY, label))
    return {cell: Seen(one.count, one.hidden, one.controlled) for cell, one in drawn.items()}


def some_counts(rng: random.Random) -> dict[str, int]:
    size, most = rng.choice([1, 2, 3, 5, 8, 13, 40]), rng.choice([3, 8, 12, 40, 200])
    return {f"o{n}": rng.randint(0, most) for n in range(size)}


@pytest.mark.parametrize("count", [*range(1, 8), 10, 11, 12, 13, 14, 15, 57])
def test_every_figure_is_right_on_average(count: int) -> None:
    """By chance off by less than 4 standard errors of 2,000 draws."""
    others = {f"o{n}": (3 * n) % 23 for n in range(12)}
    drawn = [
        draw({**others, "x": count}, dict.fromkeys([*others, "x"], 100), OPEN, Keyed(KEY, f"{n}"))["x"]
        for n in range(2000)
    ]
    figures = [d.count for d in drawn]
    spread = statistics.pstdev(figures) or 0.1
    assert abs(statistics.fmean(figures) - count) < 4 * spread / 2000**0.5
    assert {d.hidden for d in drawn} == {count <= 7}
    if count <= 7:
        assert set(figures) == {0, 10}, "both stand-ins are possible"


def test_what_is_drawn_follows_from_key_label_and_counts_alone() -> None:
    counts = some_counts(random.Random(3))
    assert batch(counts, "a") == batch(dict(reversed(counts.items())), "a")
    assert any(batch(counts, "a") != batch(counts, f"b{n}") for n in range(5))


def test_none_and_all_are_hidden_of_few_cases_where_the_outcome_is_sensitive() -> None:
    few = draw({"a": 0, "b": 0}, {"a": 12, "b": 20}, POLICY, Keyed(KEY, ""))
    assert (few["a"].hidden, few["b"].hidden) == (True, False)
    assert not draw({"a": 0}, {"a": 12}, OPEN, Keyed(KEY, ""))["a"].hidden


def test_a_common_sum_keeps_the_total_within_a_step_of_each_kind() -> None:
    rng, together = random.Random(5), 0
    for n in range(200):
        counts = {f"o{k}": rng.choice([0, 2, 3, 5, 7, 14, 33, 48]) for k in range(30)}
        drawn = batch(counts, f"{n}", OPEN)
        for hidden, step in ((True, 10), (False, 5)):
            cells = [c for c, s in drawn.items() if s.hidden == hidden and s.controlled]
            together += bool(cells)
            assert abs(sum(drawn[c].count - counts[c] for c in cells)) < step
    assert together > 300, "the draw was mostly by a common sum"


def test_no_three_organisations_can_narrow_any_count() -> None:
    """T3 and T8, by the closed form: every coalition of up to three, with everything that was published and their exact counts."""
    rng = random.Random(7)
    for n in range(60):
        counts = {f"o{k}": c for k, c in enumerate(some_counts(rng).values()) if k < 9}
        drawn = batch(counts, f"{n}")
        coalitions = [{c: counts[c] for c in group} for k in range(4) for group in combinations(counts, k)]
        assert narrowed(drawn, coalitions, POLICY) == []
        assert verdict(drawn, POLICY, True) == ""


def test_without_the_rule_a_common_sum_gives_hidden_counts_away() -> None:
    """The weaker method: one sum whatever the numbers. Two hidden counts that both stand for ten were more than ten together."""
    both = {"a": Seen(10, True, True), "b": Seen(10, True, True)}
    assert possible(both, {}, OPEN) == {"a": (4, 7), "b": (4, 7)}
    assert narrowed(both, [{}, {"a": 4}], OPEN) == ["a", "b"]
    assert possible(both, {"a": 4}, OPEN)["b"] == (7, 7)
    assert "could narrow a hidden count" in verdict(both, POLICY, True)
    alone = {cell: Seen(s.count, True, False) for cell, s in both.items()}
    assert narrowed(alone, [{}, {"a": 4}], OPEN) == []


def by_search(cells: Mapping[str, Seen], known: Mapping[str, int], cell: str, policy: Policy) -> tuple[int, int]:
    """The smallest and largest value of `cell`, by integer programming: counts whose sums are off by less than a step."""
    import highspy

    found = []
    for sense in (highspy.ObjSense.kMinimize, highspy.ObjSense.kMaximize):
        solver = highspy.Highs()
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("time_limit", 10.0)
        variables = {}
        for name, seen in cells.items():
            low, high = seen.bounds(policy)
            if seen.hidden and policy.sensitive and name != cell:
                low = 0
            if name in known:
                low = high = known[name]
            variables[name] = solver.addIntegral(lb=low, ub=high)
        for hidden, step in ((True, policy.least), (False, policy.base)):
            group = [n for n, s in cells.items() if s.controlled and s.hidden == hidden and (hidden or s.count)]
            if not group:
                continue
            terms = []
            for name in group:
                if hidden or cells[name].count > policy.least:
                    terms.append(variables[name])
                    continue
                # shown as the least: in the sum it is that, or more
                low = max(known.get(name, policy.least), policy.least)
                raised = solver.addIntegral(lb=low, ub=max(cells[name].bounds(policy)[1], low))
                solver.addConstr(raised >= variables[name])
                lifted = solver.addBinary()
                solver.addConstr(raised - variables[name] <= 2 * lifted)
                solver.addConstr(variables[name] <= policy.least - 1 + 10 * (1 - lifted))
                terms.append(raised)
            total = sum(cells[n].count for n in group)
            solver.addConstr(sum(terms) <= total + step - 1)
            solver.addConstr(sum(terms) >= total - step + 1)
        solver.setObjective(variables[cell])
        solver.changeObjectiveSense(sense)
        solver.run()
        assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        found.append(round(solver.getInfo().objective_function_value))
    return found[0], found[1]


@pytest.mark.parametrize("policy", [POLICY, OPEN], ids=["sensitive", "not"])
def test_the_closed_form_finds_what_integer_programming_finds(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    """On draws by one sum whatever the numbers (the weaker method), for coalitions of none to three."""
    for rule in ("may_control_hidden", "may_control_shown"):
        monkeypatch.setattr(f"platform_assets.disclosure.auditor.{rule}", lambda *_: True)
    rng, narrow = random.Random(11), 0
    for n in range(30):
        counts = {f"o{k}": rng.choice([1, 7, 7, 7, 8, 9, 10, 14, 31]) for k in range(rng.randint(1, 6))}
        drawn = batch(counts, f"ilp{n}", policy)
        known = {c: counts[c] for c in rng.sample(sorted(counts), min(len(counts) - 1, rng.randint(0, 3)))}
        closed = possible(drawn, known, policy)
        for cell in closed:
            searched = by_search(drawn, known, cell, policy)
            assert closed[cell] == searched, (counts, drawn, known, cell)
            low, high = searched
            narrow += high - low + 1 < (7 if drawn[cell].hidden else SPAN)
    assert narrow >= 3, "the search has to see counts that are given away"


def test_amounts_are_next_multiples_and_right_on_average() -> None:
    for value in (0.0, 0.2, 3.14, 12.5, -0.3):
        drawn = [draw_amount(value, 0.5, Keyed(KEY, f"{n}"), "x") for n in range(1500)]
        assert len(set(drawn)) <= 2
        assert all(abs(d - value) < 0.5 for d in drawn)
        assert abs(statistics.fmean(drawn) - value) < 0.04


def test_a_policy_can_be_stricter_and_not_weaker_and_says_why() -> None:
    policies = read_policies()
    assert policies.of("anything").hides(1, 100)
    for weaker in ({"threshold": 3}, {"base": 2}, {"change": 5}, {"smallest_denominator": 5}):
        with pytest.raises(ValueError, match="greater than or equal"):
            Policies.model_validate({"default": weaker})
    with pytest.raises(ValueError, match="why"):
        Policies.model_validate({"default": {}, "indicators": {"x": {"threshold": 9}}})
    page = Policies.model_validate({"default": {}, "indicators": {"x": {"threshold": 9, "why": "rare"}}}).page(
        {"x": "X"}
    )
    assert "Hidden: counts of 1 to 9" in page
    assert "Why: rare." in page
