"""Counts in the Redis of all processes: one script to come in, one to go out.

The counting is the ``limits`` library's: its scripts are put into ours as they are, each as a function, so that what
they do to one count is done to all of a tenant and its key at once, in one round trip, or to none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from limits.storage import RedisStorage

from core.limits._terms import CONCURRENCY_SECONDS, Full, Limited, LimitLeft, Quota, QuotaUse, SlidingWindow

if TYPE_CHECKING:
    from redis import Redis

_PREFIX = (
    "proctor:{limit}"  # the braces keep all keys on one node of a cluster: a script touches a tenant's and a key's
)


def _text(script: bytes | str) -> str:
    return script.decode() if isinstance(script, bytes) else script


_COUNTING = f"""
local function look_at_moving(KEYS, ARGV)
{_text(RedisStorage.SCRIPT_MOVING_WINDOW)}
end
local function acquire_moving(KEYS, ARGV)
{_text(RedisStorage.SCRIPT_ACQUIRE_MOVING_WINDOW)}
end
local function look_at_sliding(KEYS, ARGV)
{_text(RedisStorage.SCRIPT_SLIDING_WINDOW)}
end
local function acquire_sliding(KEYS, ARGV)
{_text(RedisStorage.SCRIPT_ACQUIRE_SLIDING_WINDOW)}
end

local time = redis.call('time')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local window, lease, tokens, seconds = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local limits, place = {{}}, 1
for kind, most in string.gmatch(ARGV[5], '(%a+) (%d+)') do
    limits[#limits + 1] = {{kind = kind, most = tonumber(most), first = KEYS[place], second = KEYS[place + 1]}}
    place = place + (kind == 'tokens' and 2 or 1)
end

local function sliding(first, second)
    local found = look_at_sliding({{first, second}}, {{window}})
    local previous, current = tonumber(found[1] or 0) or 0, tonumber(found[3] or 0) or 0
    local previous_ms, current_ms = math.max(0, found[2] or 0), math.max(0, found[4] or 0)
    return previous, previous_ms, current, current_ms, math.floor(previous * previous_ms / (window * 1000)) + current
end
"""
"""``KEYS`` and ``ARGV`` are the functions' parameters, so that the library's texts need not be touched."""

_ADMIT = f"""{_COUNTING}
local takes = ARGV[6] == '1'
local fits, seen = true, {{}}
for each, limit in ipairs(limits) do
    if limit.kind == 'requests' then
        local found = look_at_moving({{limit.first}}, {{now - window, limit.most}})
        local count = found and found[2] or 0
        seen[each] = {{count < limit.most and 1 or 0, count, found and (found[1] + window - now) * 1000 or 0}}
    elseif limit.kind == 'tokens' then
        local previous, previous_ms, current, current_ms, used = sliding(limit.first, limit.second)
        seen[each] = {{used + tokens <= limit.most and 1 or 0, previous, previous_ms, current, current_ms}}
    else
        redis.call('zremrangebyscore', limit.first, '-inf', now)
        local count = redis.call('zcard', limit.first)
        seen[each] = {{count < limit.most and 1 or 0, count}}
    end
    fits = fits and seen[each][1] == 1
end
if not (takes and fits) then return seen end
for _, limit in ipairs(limits) do
    if limit.kind == 'requests' then
        acquire_moving({{limit.first}}, {{now, limit.most, window, 1}})
    elseif limit.kind == 'tokens' then
        acquire_sliding({{limit.first, limit.second}}, {{limit.most, window, tokens}})
    else
        redis.call('zadd', limit.first, now + seconds, lease)
        redis.call('expire', limit.first, math.max(redis.call('ttl', limit.first), math.ceil(seconds) + 1))
    end
end
return seen
"""

_SETTLE = f"""{_COUNTING}
for _, limit in ipairs(limits) do
    if limit.kind == 'concurrency' then
        redis.call('zrem', limit.first, lease)
    elseif limit.kind == 'tokens' and tokens ~= 0 then
        local _, _, current, _, used = sliding(limit.first, limit.second)
        local rest = math.min(tokens, limit.most - used)
        if tokens > 0 and rest > 0 then
            acquire_sliding({{limit.first, limit.second}}, {{limit.most, window, rest}})
        elseif tokens < 0 and current > 0 then
            redis.call('decrby', limit.second, math.min(-tokens, current))
        end
    end
end
return 1
"""


class RedisCounts:
    """The counts of all processes that share a Redis."""

    def __init__(self, redis: Redis, window_seconds: int) -> None:
        self._window_seconds = window_seconds
        self._admit = redis.register_script(_ADMIT)
        self._settle = redis.register_script(_SETTLE)

    def admit(
        self, quotas: Sequence[Quota], *, lease: str, tokens: int, seconds: float
    ) -> tuple[Sequence[Full], Sequence[LimitLeft]]:
        """Count one generation in all of *quotas*, or in none.

        Return the limits that have no room for it, or else what is left of each.
        """
        keys, limits = _asked(tuple(quotas))
        if not keys:
            return (), ()
        seen: Any = self._admit(keys, (self._window_seconds, lease, tokens, seconds, limits, 1))
        full = list(self._full(quotas, seen, tokens))
        return full, () if full else list(self._left(quotas, seen, tokens))

    def settle(self, quotas: Sequence[Quota], *, lease: str, tokens: int) -> None:
        """Give back the places of *lease* and count *tokens* more or fewer, as far as there is room."""
        keys, limits = _asked(tuple(quotas))
        if keys:
            self._settle(keys, (self._window_seconds, lease, tokens, 0, limits))

    def use(self, quotas: Sequence[Quota]) -> Sequence[QuotaUse]:
        """Return what of each quota is used."""
        keys, limits = _asked(tuple(quotas))
        found: Any = self._admit(keys, (self._window_seconds, "", 1, 0, limits, 0)) if keys else ()
        seen: Iterator[Sequence[int]] = iter(found)
        return [
            QuotaUse(
                requests=next(seen)[1] if quota.requests_per_min else 0,
                tokens=_window(next(seen)).used(self._window_seconds) if quota.tokens_per_min else 0,
                concurrent=next(seen)[1] if quota.concurrent else 0,
            )
            for quota in quotas
        ]

    def _full(self, quotas: Sequence[Quota], seen: Sequence[Sequence[int]], tokens: int) -> Iterator[Full]:
        """Yield the limits that have no room, after what the script saw of each."""
        for (quota, what, most), found in zip(_limits_of(quotas), seen, strict=True):
            fits, used, *more = found
            match what:
                case _ if fits:
                    continue
                case Limited.TOKENS:
                    window = _window(found)
                    wait = window.seconds_until(tokens, most, self._window_seconds)
                    yield Full(quota, what, wait, window.used(self._window_seconds))
                case Limited.REQUESTS:
                    yield Full(quota, what, more[0] / 1000, used)
                case Limited.CONCURRENCY:
                    yield Full(quota, what, CONCURRENCY_SECONDS, used)

    def _left(self, quotas: Sequence[Quota], seen: Sequence[Sequence[int]], tokens: int) -> Iterator[LimitLeft]:
        """Yield what is left of each limit, now that one of *tokens* was counted behind what the script saw."""
        for (_, what, most), found in zip(_limits_of(quotas), seen, strict=True):
            match what:
                case Limited.TOKENS:
                    window = _window(found)
                    lasts = window.current_seconds or 2.0 * self._window_seconds
                    yield LimitLeft(what, most, most - window.used(self._window_seconds) - tokens, lasts)
                case Limited.REQUESTS:
                    yield LimitLeft(what, most, most - found[1] - 1, self._window_seconds)
                case Limited.CONCURRENCY:
                    yield LimitLeft(what, most, most - found[1] - 1, CONCURRENCY_SECONDS)


def _limits_of(quotas: Sequence[Quota]) -> Iterator[tuple[Quota, Limited, int]]:
    """Yield every limit that is set, in the order in which the scripts see them."""
    for quota in quotas:
        if quota.requests_per_min:
            yield quota, Limited.REQUESTS, quota.requests_per_min
        if quota.tokens_per_min:
            yield quota, Limited.TOKENS, quota.tokens_per_min
        if quota.concurrent:
            yield quota, Limited.CONCURRENCY, quota.concurrent


@lru_cache(maxsize=4096)
def _asked(quotas: tuple[Quota, ...]) -> tuple[tuple[str, ...], str]:
    """Return the keys and the limits that a script is asked about: each limit's kind and number, one after another."""
    limits = list(_limits_of(quotas))
    keys = tuple(key for quota, what, _ in limits for key in _keys(quota, what))
    return keys, " ".join(f"{what.value} {most}" for _, what, most in limits)


def _keys(quota: Quota, what: Limited) -> tuple[str, ...]:
    """Return where a limit is counted: tokens by two minutes, as the library does."""
    key = f"{_PREFIX}:{what.value}:{quota.scope.value}:{quota.id}"
    return (f"{key}:before", f"{key}:now") if what is Limited.TOKENS else (key,)


def _window(found: Sequence[int]) -> SlidingWindow:
    _, previous, previous_ms, current, current_ms = found
    return SlidingWindow(previous, previous_ms / 1000, current, current_ms / 1000)
