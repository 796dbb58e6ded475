"""Says what is being built, which of how many, for how long, and what it usually takes."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bars


class Progress:
    """A live line on a terminal; plain lines elsewhere. Use as a context manager."""

    def __init__(self, names: list[str], seconds: list[int]) -> None:
        self._expected = dict(zip(names, seconds, strict=True))
        self._position = {name: number for number, name in enumerate(names, 1)}
        self._console = Console()
        self._bars: Bars | None = None
        self._task: TaskID | None = None
        self._name = ""
        self._began = time.monotonic()
        self._began_this = self._began

    def __enter__(self) -> "Progress":
        if self._console.is_terminal:
            self._bars = Bars(TextColumn("{task.description}"), BarColumn(), console=self._console)
            self._task = self._bars.add_task("", total=sum(self._expected.values()))
            self._bars.start()
        count, total = len(self._expected), sum(self._expected.values())
        self._print(f"toolchain: {count} program(s) to build, usually about {_clock(total)}")
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        if self._bars:
            self._bars.stop()
        if kind and self._name:
            self._print(f"toolchain: stopped at {self._name}; the next run goes on there")

    def start(self, name: str) -> None:
        self._name, self._began_this = name, time.monotonic()
        if not self._bars:
            self._print(f"toolchain: {self._headline()}, usually {_clock(self._expected[name])}")
        self.tick()

    def tick(self) -> None:
        if self._bars and self._task is not None:
            before = sum(self._expected[name] for name, at in self._position.items() if at < self._position[self._name])
            spent = time.monotonic() - self._began_this
            line = f"{self._headline()} {_clock(spent)} of about {_clock(self._expected[self._name])}"
            shown = before + min(spent, self._expected[self._name])
            self._bars.update(self._task, description=line, completed=shown)

    def done(self, name: str) -> None:
        took, whole = time.monotonic() - self._began_this, time.monotonic() - self._began
        self._print(f"toolchain: {self._number(name)} {name} in {_clock(took)} ({_clock(whole)} so far)")

    def _headline(self) -> str:
        return f"{self._number(self._name)} building {self._name}"

    def _number(self, name: str) -> str:
        return f"[{self._position[name]}/{len(self._position)}]"

    def _print(self, line: str) -> None:
        if self._bars:
            self._bars.console.print(line, markup=False, highlight=False)
        else:
            print(line, flush=True)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
