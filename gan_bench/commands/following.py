"""What a person sees of a grid on Slurm: what its tasks write into the store, and what waits in Slurm's queue."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_bench.commands.run import Outcome
from gan_bench.commands.submission import STILL, Ending, Submission, count
from gan_bench.errors import GanBenchError
from gan_bench.workers.events import Advanced, Ended, Started, Warned
from gan_bench.workers.journal import Journals, Refused
from gan_bench.workers.progress import Display, Shown

if TYPE_CHECKING:
    from rich.console import Console

READ_SECONDS = 1.0  # between two looks at the tasks' journals
POLL_SECONDS = 15.0  # between two questions to Slurm
UNSEEN = (
    6  # polls without a job of it, after which there is none: NFS may show for a minute that its ending is not there
)


class Hangup(BaseException):
    """The terminal is gone, or somebody has ended this command: its jobs go on."""


@dataclass
class Follower:
    """Tells a person what the tasks of a submission write, and what Slurm says of those that wait."""

    submission: Submission
    console: Console
    round: int = 0
    unseen: int = 0  # polls at which Slurm had no job of it
    said: str = ""  # of the queue
    display: Display | None = None
    journals: Journals | None = None
    logs: dict[Path, int] = field(default_factory=dict)  # bytes that were told
    lines: set[str] = field(default_factory=set)  # of the logs
    polled: float = 0.0

    def follow(self) -> tuple[Outcome, list[str]]:
        """Until it has ended. Ctrl-C ends its jobs; SIGTERM or the end of the terminal only this command."""
        store = self.submission.store
        try:
            with ExitStack() as shown, _hangups():
                while (ending := self.submission.ending) is None:
                    if self._replaced():
                        self.console.print("Another command has begun it anew; the same command follows that one.")
                        raise SystemExit(130)
                    self._look(shown)
                    if time.monotonic() - self.polled > POLL_SECONDS:
                        self.polled = time.monotonic()
                        if self._poll():
                            ending = self.submission.end(Ending(stopped=True))
                            break
                    time.sleep(READ_SECONDS)
                self._look(shown)
        except KeyboardInterrupt:
            self.console.print("Stopping its tasks; they save their runs.")
            if not self.submission.stop():
                self.console.print(STILL)
            ending = self.submission.ending or Ending(stopped=True)
        except Hangup:
            self.console.print("Its jobs go on; the same command follows them again.")
            raise SystemExit(130) from None
        with suppress(FileNotFoundError):  # another command has just put one in its place
            self.submission.told.touch()
        if ending.error:
            raise GanBenchError(ending.error)
        return Outcome(store, ending.runs, ending.failed, ending.stopped), list(ending.lines)

    def _replaced(self) -> bool:
        latest = Submission.latest(self.submission.store)
        return latest is not None and latest.name != self.submission.name

    def _look(self, shown: ExitStack) -> None:
        """Tell what is new in logs and journals."""
        for log in sorted(self.submission.logs.glob("*.log")):
            if not log.name.startswith("train"):
                self._tell_log(log)
        self._tell_journals()
        if (rounds := self.submission.rounds()) > self.round:
            self.round = rounds
            round_ = self.submission.round(rounds)
            runs = [Shown(one.job.run, one.title, one.job.snapshot_steps[-1], one.steps) for one in round_.given()]
            shown.close()
            self.display = shown.enter_context(Display(runs, None, self.console))
            self.journals = Journals(round_.journals)
            self.console.print(f"{count(len(runs), 'run')} for {count(round_.used(self.submission.tasks), 'task')}")

    def _tell_log(self, log: Path) -> None:
        with log.open("rb") as opened:
            opened.seek(self.logs.get(log, 0))
            whole = opened.read().rpartition(b"\n")[0]
        if whole:
            self.logs[log] = self.logs.get(log, 0) + len(whole) + 1
            for line in whole.decode(errors="replace").splitlines():
                known = line in self.lines  # the last job finds the same of the data as the first
                if not known and not (
                    line.startswith("Error: ") and self.submission.ending
                ):  # which is told at the end
                    self.lines.add(line)
                    self.console.print(line, soft_wrap=True)

    def _tell_journals(self) -> None:
        if self.journals is None or self.display is None:
            return
        for line in self.journals.new():
            entry: Any = line.entry
            if isinstance(entry, Refused):
                self.console.print(entry.text, style="red", soft_wrap=True)
            elif isinstance(entry, Started | Warned | Ended) or (
                isinstance(entry, Advanced) and entry.run in self.display.active
            ):
                self.display(entry)

    def _poll(self) -> bool:
        """Ask Slurm what lives; True: nothing has for some polls, and nothing has said how it ended."""
        try:
            living = self.submission.living()
        except GanBenchError as error:
            self._say(f"Slurm does not answer ({error}); what trains goes on.")
            return False
        if not living:
            self.unseen += 1
            if self.unseen == UNSEEN:
                self.console.print("Slurm has no job of it any more, and none has written how it ended.")
            return self.unseen >= UNSEEN
        self.unseen = 0
        self._say(self.submission.in_words(living))
        return False

    def _say(self, line: str) -> None:
        if line != self.said:
            self.said = line
            self.console.print(line, soft_wrap=True)


@contextmanager
def _hangups() -> Iterator[None]:
    def hang_up(*_: object) -> None:
        raise Hangup

    numbers = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if before[number] != signal.SIG_IGN:
            signal.signal(number, hang_up)
    try:
        yield
    finally:
        for number, own in before.items():
            signal.signal(number, own)
