"""Shows the progress of judging as lines on stderr, with the time left."""

import time
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.judges.asking import Judge
from harness.judges.folder import Result
from harness.judges.judging import Judged
from harness.text.console import notes
from harness.text.visible import one_line

LINE_EVERY_S = 5.0


class JudgingReporter:
    """Counts judged sessions and shows the progress. Use as a context manager."""

    def __init__(self) -> None:
        self.console = notes()
        self._total = self._done = 0
        self._began = self._shown = time.monotonic()

    def say(self, line: str) -> None:
        self.console.print(one_line(line), soft_wrap=True, markup=False)

    def judging(self, folder: Path, judge: str, sessions: int, controls: int) -> None:
        """Judging of a folder begins."""
        self._total, self._done = sessions + controls, 0
        self._began = self._shown = time.monotonic()
        self.say(f"judging {folder}: {sessions} sessions and {controls} controls by {judge}")

    def judged(self, judged: Judged, judge: Judge) -> None:
        """A session or a control has been judged."""
        self._done += 1
        now = time.monotonic()
        if now - self._shown < LINE_EVERY_S:
            return
        self._shown = now
        left = (now - self._began) / self._done * max(0, self._total - self._done)
        cached = (
            f", {judge.cached_tokens / judge.prompt_tokens:.0%} of prompt tokens from the cache"
            if judge.prompt_tokens
            else ""
        )
        self.say(
            f"{self._done}/{self._total} sessions and controls, {judge.sent} new answers, {judge.reused} recorded ones"
            f"{cached}, about {_duration(left)} left"
        )

    def result(self, result: Result) -> None:
        """Print the result of a folder."""
        certificate = result.certificate
        good = sum(item.certified for item in certificate.items)
        failed = f", {result.failed} failed" if result.failed else ""
        self.say(
            f"{result.folder}: {result.scores} scores{failed}; {result.sent} questions were sent, "
            f"{result.reused} answers were already recorded"
        )
        self.say(f"certificate: {certificate.verdict} ({good} of {len(certificate.items)} items)")
        for item in [item for item in certificate.items if not item.certified][:8]:
            self.say(f"  not certified: {item.rubric}/{item.item}: {'; '.join(item.why)}")
        more = len(certificate.items) - good - 8
        if more > 0:
            self.say(f"  and {more} more; see certificate.json")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.console.file.flush()


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )
