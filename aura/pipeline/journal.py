"""Every prompt of a team in one file, for people who want to know why it did what it did."""

from __future__ import annotations

from typing import Final

from aura.pipeline.teamwork import Teamwork

FILE: Final = "prompt-journal.md"


def journal(work: Teamwork, phase: str, *, system: str, prompt: str, answer: str) -> None:
    """Add a prompt, if prompts are kept; `answer` names the file that will have what was said."""
    record = work.shelf.record
    if record is None or not work.team.policy.journal:
        return
    title = ""
    if work.opens_journal():
        run = work.run.id
        title = f"# Prompts of {run}\n\nOrchestrator {work.orchestrator_id}, {work.now()}\n\n"
    entry = (
        f"{title}---\n\n## {phase}\n\n{work.now()}\n\n### System prompt\n\n{system}\n\n"
        f"### Prompt\n\n{prompt}\n\nAnswer: {answer}\n\n"
    )
    record.append(FILE, entry.encode("utf-8", "replace"))
