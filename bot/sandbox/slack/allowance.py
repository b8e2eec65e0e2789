"""How often something may be called."""


class TooMany(Exception):
    """Answered with 429 and `Retry-After`."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after


class Allowance:
    """So many calls at once, and then one every `every` milliseconds, for each key."""

    def __init__(self, burst: int, every: int) -> None:
        self._burst = burst
        self._every = every
        self._full_at: dict[str, int] = {}
        """When the allowance of a key will be whole again."""

    def take(self, key: str, now: int) -> None:
        full_at = max(self._full_at.get(key, now), now)
        missing = full_at - now
        allowed = (self._burst - 1) * self._every
        if missing > allowed:
            raise TooMany(-(-(missing - allowed) // 1000))
        self._full_at[key] = full_at + self._every
