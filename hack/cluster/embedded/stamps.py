"""Skipping what needn't be made again: a stamp is the hash of what a step's last success was made from."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Step:
    """A step of the build: done again when an input has changed or an output is gone."""

    name: str
    inputs: Callable[[], str]
    outputs: tuple[Path, ...]
    action: Callable[[], None]

    def due(self, stamps: Path) -> bool:
        """Whether the step has to be done."""
        stamp = stamps / self.name
        if not all(output.exists() for output in self.outputs):
            return True
        return not stamp.exists() or stamp.read_text() != self.inputs()

    def run(self, stamps: Path) -> None:
        """Do the step, and stamp it if it succeeds."""
        stamps.mkdir(parents=True, exist_ok=True)
        inputs = self.inputs()  # before: what changes meanwhile isn't in the outputs
        (stamps / self.name).unlink(missing_ok=True)
        self.action()
        (stamps / self.name).write_text(inputs)


def digest(parts: Iterable[str | Path]) -> str:
    """Hash of texts and of files, or all files of folders, with their names."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            total.update(f"text {len(part)}\n{part}".encode())
            continue
        for path in sorted(part.rglob("*")) if part.is_dir() else [part]:
            if path.is_file() and "__pycache__" not in path.parts:
                content = path.read_bytes()
                total.update(f"file {path.relative_to(part.parent)} {len(content)}\n".encode())
                total.update(content)
    return total.hexdigest()
