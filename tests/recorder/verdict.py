"""What the proof says."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Violation:
    """A promise that was not kept, and when."""

    promise: str
    version: int
    seconds: float  # since the recording began
    message: str

    def __str__(self) -> str:
        return f"{self.promise} at {self.seconds:.2f} s (version {self.version}): {self.message}"


@dataclass(frozen=True)
class Peak:
    """The fullest that anything ever was under a limit that it kept."""

    domain: str
    committed: int
    limit: int

    @property
    def share(self) -> float:
        """Part of the limit, 0 to 1."""
        return self.committed / self.limit if self.limit else 0.0


@dataclass(frozen=True)
class Shed:
    """A limit that was put below what was committed."""

    domain: str
    limit: int
    excess: int  # watts, when it began
    began: float  # seconds since the recording began
    met: float | None  # when committed was at or below the limit again


@dataclass(frozen=True)
class Verdict:
    """Whether the promises were kept at every instant that was recorded."""

    instants: int
    domains: int  # limits that were watched, the quotas among them
    nodes: int  # nodes that were ever created
    peak: Peak | None
    sheds: tuple[Shed, ...]
    spec_managers: frozenset[str]  # everybody who ever owned a field of a spec
    violations: tuple[Violation, ...]
    gaps: tuple[str, ...]

    @property
    def kept(self) -> bool:
        """No promise was broken, and nothing was missed that could have broken one."""
        return not self.violations and not self.gaps

    def __str__(self) -> str:
        head = f"{self.instants} instants, {self.domains} limits, {self.nodes} nodes: "
        wrong = [*map(str, self.violations), *(f"not seen: {gap}" for gap in self.gaps)]
        return head + ("kept" if self.kept else "\n".join(["NOT KEPT", *wrong]))
