"""What time it is, by the API server's clock.

Leaders follow each other on machines whose clocks differ, and what one has noted the next one goes by: how
long a node has been draining, since when it is not ready. So there is one clock for all, which every answer
tells in its `Date`, to the second.
"""

import logging
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

logger = logging.getLogger(__name__)


class ServerClock:
    """The time of the last answer that told one. It never goes back, whichever server answers."""

    def __init__(self) -> None:
        self._latest: datetime | None = None
        self._warned = False

    def heard(self, date: str | None) -> None:
        """Take the `Date` of an answer; none, or one that makes no sense, tells nothing."""
        try:
            told = parsedate_to_datetime(date or "").replace(microsecond=0)
            told = told.astimezone(UTC) if told.tzinfo else told.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            return
        self._latest = told if self._latest is None else max(self._latest, told)

    def now(self) -> datetime:
        """The time of the API server's last answer; this machine's where no answer has told any."""
        if self._latest is not None:
            return self._latest
        if not self._warned:
            self._warned = True
            logger.warning("the API server's answers carry no date: times are those of this machine")
        return datetime.now(UTC)  # noqa: TID251 - for want of a better one
