"""What a run that has come to its end amounts to: its status, its exit reason, the outputs of its team.

Pure. That it has come to its end is decided in `policy/decide.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from teamflow.core.fold_plan import LEFT_OUT
from teamflow.core.ids import listed
from teamflow.core.plan import Json
from teamflow.core.requested import StopRequested
from teamflow.core.state import RunState
from teamflow.core.status import ENDED, Status
from teamflow.policy.context import team_context
from teamflow.policy.hooks import BEFORE_RUN
from teamflow.policy.quota import Reach, limit_words


def verdict(state: RunState, lacking: str) -> tuple[str, str, str]:
    """(status, exit_reason, reason) of the run, in the precedence of the exit codes. `lacking`: as of `limited`."""
    if state.stop is not None and (stopped := _stopped(state, state.stop)) is not None:
        return stopped
    if state.cancelled_by is not None:
        return "cancelled", "cancelled", f"cancelled by {state.cancelled_by}"
    if lacking:
        return "limited", "limit", lacking
    if state.unanswered:
        return _unanswered(state)
    if state.open and (state.paused or state.held):
        return "paused", "needs_person", _paused(state)
    failed = [step_id for step_id in state.failures if not state.steps[step_id].step.continue_on_error]
    if failed:
        return "failed", "step_failed", f"{len(failed)} failed: {listed(failed)}"
    if state.open:
        return "waiting", "needs_person", f"{len(state.open)} waiting"
    left = _left_out(state)
    if left:
        return "interrupted", "ok", f"only a part was selected: {listed(left)} left"
    cancelled = [s for s, k in state.steps.items() if k.status is Status.CANCELLED and k.cancelled_by != LEFT_OUT]
    if cancelled:
        return "cancelled", "cancelled", f"{len(cancelled)} cancelled: {listed(cancelled)}"
    return "succeeded", "ok", ""


def _stopped(state: RunState, stop: StopRequested) -> tuple[str, str, str] | None:
    """Of a run that was stopped, where that is what it comes to."""
    if stop.cause == BEFORE_RUN:
        return "failed", "step_failed", stop.reason
    if state.open and stop.cause in ("SIGINT", "SIGTERM"):
        return "interrupted", "interrupted", stop.reason
    if state.open and stop.cause == "timeout":
        return "limited", "limit", stop.reason
    return None


def _unanswered(state: RunState) -> tuple[str, str, str]:
    """Of a run that may ask nobody. A question about a limit means that a limit is reached."""
    asking = [question.step for question in state.unanswered.values()]
    many = f"{len(asking)} questions are" if len(asking) > 1 else "a question is"
    reason = f"{many} open: {listed(asking)}"
    if any(question.about == "budget" for question in state.unanswered.values()):
        return "limited", "limit", f"a limit is reached, and {reason}"
    return "waiting", "needs_person", reason


def limited(out_of_reach: Mapping[str, Reach], poor: Mapping[str, str]) -> str:
    """What the run lacks, and how many steps lack it: an engine (`quota.blocked`), money (`budget.blocked`)."""
    if not out_of_reach and not poor:
        return ""
    if out_of_reach:
        first = min(out_of_reach.values(), key=lambda found: found.seconds)
        words = limit_words(first.engine, first.limit) if first.limit is not None else first.engine
    else:
        words = next(iter(poor.values()))
    many = len({*out_of_reach, *poor})
    return f"{words}: {'1 step waits' if many == 1 else f'{many} steps wait'}"


def _paused(state: RunState) -> str:
    """Of a run that may not wait until somebody lets it go on."""
    if state.paused:
        return f"paused by {state.paused}"
    held = [step_id for step_id in state.steps if step_id in state.held]
    return f"{len(held)} paused: {listed(held)}"


def _left_out(state: RunState) -> list[str]:
    """Steps that a selection leaves undone. What the file, or a list of instances, has no more is not missed."""
    if state.plan.selected is None:
        return []
    undone = {s: k for s, k in state.removed.items() if k.status not in ENDED or k.status is Status.FAILED}
    lists = (state.added.get(known.step.parent or "") for known in undone.values())
    return [name for name, added in zip(undone, lists, strict=True) if added is None or name in added.instances]


def team_outputs(state: RunState, run: Mapping[str, Json]) -> tuple[dict[str, Json], str]:
    if not state.plan.outputs:
        return {}, ""
    from teamflow.team.template import TemplateError, evaluate

    values: dict[str, Json] = {}
    trouble = ""
    context = team_context(state, run=run)
    for name, expression in state.plan.outputs:
        try:
            values[name] = evaluate(expression, context)
        except TemplateError as error:
            values[name] = None
            trouble = trouble or f"outputs.{name}: {error}"
    return values, trouble
