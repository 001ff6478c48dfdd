"""Whether anything has changed since a cycle with nothing to write: if not, the next one would be the same.

A plan is a function of the world, of what was adopted, of what the planner says, and of the time. At 5 GW it
takes seconds to work out; that it would be the same is seen in the blink of an eye, for what was not read
again are the very same objects.
"""

from dataclasses import dataclass
from typing import Final

from aifactory.decide.model.world import World

LONGEST: Final = 3600.0  # seconds after which it is decided all the same


@dataclass(frozen=True)
class Rest:
    """What a cycle that left nothing to do was decided from. Times are those of the event loop."""

    world: World
    news: int  # of the planner, see `Planner.news`
    until: float  # something is due then

    def holds(self, world: World, news: int, now: float) -> bool:
        """Whether a cycle that begins now would decide the same, and write nothing."""
        return now < self.until and news == self.news and world == self.world
