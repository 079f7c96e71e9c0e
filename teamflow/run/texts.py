"""What dependents see of an agent that succeeded: its text, cut and redacted, and the values that it declares."""

from __future__ import annotations

from teamflow.core.attempts import AttemptState
from teamflow.core.chain import is_program
from teamflow.core.invocation import Exit
from teamflow.core.outcome import Failed, Outcome, Succeeded, with_told
from teamflow.core.plan import Step
from teamflow.core.redact import Redactor
from teamflow.run.logs import OUTPUT_LIMIT, TEXT_LIMIT, cut_text, read_text
from teamflow.run.place import Place
from teamflow.run.roles import Engines


class Texts:
    def __init__(self, place: Place, engines: Engines, redactor: Redactor) -> None:
        self._place = place
        self._engines = engines
        self._redactor = redactor

    def outcome(self, step: Step, live: AttemptState, end: Exit, outcome: Succeeded) -> Outcome:
        """With its text and outputs; a failure where they are not as declared."""
        text = outcome.text
        custom = step.by(live.fallback).custom
        program = custom is not None and is_program(custom)
        if text is None and (step.text_used or step.outputs.schemas or program):
            text = self.text(step, live, end, limit=OUTPUT_LIMIT if step.outputs.schemas else TEXT_LIMIT)
        elif text is not None:
            text = self._redactor.text(text)
        outputs = outcome.outputs
        if step.outputs.schemas and outputs is None:
            found = self._engines.outputs(text or "", step.outputs.schemas)
            if isinstance(found, Failed):
                failed = with_told(found._replace(exit_code=end.code), outcome)
                kept = cut_text(text) if text is not None and step.text_used else None
                return failed._replace(text=kept)
            outputs = found
        if outputs:
            redacted = self._redactor.json(outputs)
            outputs = redacted if isinstance(redacted, dict) else outputs
        if text is None and outputs is None:
            return outcome
        return outcome._replace(text=None if text is None else cut_text(text), outputs=outputs)

    def text(self, step: Step, live: AttemptState, end: Exit, *, limit: int = TEXT_LIMIT) -> str:
        """What the agent phase printed, redacted."""
        log = self._place.log(step.id, live.number)
        return read_text(log, redact=self._redactor.text, start=end.log_start, end=end.log_end, limit=limit)
