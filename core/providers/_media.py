"""The tokens that images, documents and sounds take, at most and likely, as vendors publish it.

OpenAI ("Images and vision") counts tiles of 512 pixels, after the image was fitted into 2048 and its short side to 768,
or patches of 32 pixels times a factor of the model; where it is to look with low detail, a model that counts tiles
takes what it takes for an image without any. Anthropic ("Vision") counts width x height / 750, or patches of 28
pixels, and at most 4,784; of a page of a PDF up to 3,000 tokens of text, and the page as an image. Open servers run
models such as Qwen2-VL: 28 pixels, at most 16,384. What cannot be known, as the size of an image behind a link, is
taken for the most that there is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.messages import Media, Message, media_of
from core.messages.media import MOST_PAGES
from core.providers import NO_MEDIA, MediaTokens

_PAGE_TEXT_TOKENS = 3000
_PAGE_PIXELS = (1654, 2339)
"""A page of A4 at 200 dots per inch, more than any vendor draws it with."""
_SOUND_TOKENS = 32
"""Of a second, at Gemini; OpenAI counts 10."""
_MOST_SECONDS = 1500
"""OpenAI hears 25 minutes of one sound."""
_MOST_PIXELS = 20_000
_USUAL_SECONDS, _HEARD_TOKENS = 60, 18
"""Between OpenAI's 10 tokens of a second and Gemini's 32."""
_USUAL_PAGES, _PAGE_TOKENS = 10, 2800
"""Of a page: between one with little text, and one that is full. Anthropic counts 1,500 to 3,000 for its text alone."""
_USUAL_SIDE = 1024
_SEEN_PATCHES = 2700
"""Anthropic fits an image into some 1,600 patches, or 4,784, by the model: less than twice off from either."""
_BY_PATCHES = (("4.1-mini", 1.62), ("4.1-nano", 2.46), ("o4-mini", 1.72), ("gpt-5-mini", 1.62), ("gpt-5-nano", 2.46))
_BY_TILES = (
    ("4o-mini", 2833, 5667),
    ("4o", 85, 170),
    ("gpt-4", 85, 170),
    ("o1", 75, 150),
    ("o3", 75, 150),
    ("gpt-5-", 70, 140),
)
"""OpenAI's "Images and vision": a factor of each patch, or so many for an image and for each of its tiles."""
_MOST_TILES = 8
_MOST_PATCHES = 1536
_MOST_ORIGINAL_PATCHES = 10_000
_DEAREST_FACTOR = 2.46
_ORIGINAL_FACTOR = 1.2


def media_tokens(messages: Sequence[Message], dialect: str, model: str) -> MediaTokens:
    """Return the tokens that what is not text takes, in *dialect*: ``openai``, ``anthropic`` or ``compatible``."""
    media = list(media_of(messages))
    if not media:
        return NO_MEDIA
    most = sum(_tokens(one, dialect, model) for one in media)
    return MediaTokens(min(most, sum(_likely(one, dialect, model) for one in media)), most)


def _likely(media: Media, dialect: str, model: str) -> int:
    if media.kind == "audio":
        return (media.seconds or _USUAL_SECONDS) * _HEARD_TOKENS
    if media.kind == "document":
        return (media.pages or _USUAL_PAGES) * _PAGE_TOKENS
    if low := _low_detail(media, dialect, model):
        return low
    width, height = media.width or _USUAL_SIDE, media.height or _USUAL_SIDE
    return likely_image_tokens(width, height, dialect, model)


def likely_image_tokens(width: int, height: int, dialect: str, model: str) -> int:
    """Return about how many tokens an image of so many pixels takes, where its vendor looks closely."""
    if dialect == "openai":
        return _likely_at_openai(width, height, model.lower())
    patches = min(_patches(width, height, 28), _SEEN_PATCHES)
    return patches if dialect == "anthropic" else max(patches, 258)


def _likely_at_openai(width: int, height: int, model: str) -> int:
    factor = next((factor for name, factor in _BY_PATCHES if name in model), None)
    if tiled := _tiled(model):
        base, tile = tiled
        return base + tile * _tiles(width, height)
    return math.ceil(min(_patches(width, height, 32), _MOST_PATCHES) * (factor or _ORIGINAL_FACTOR))


def _tiled(model: str) -> tuple[int, int] | None:
    """Return what a model takes for an image, and for each of its tiles; ``None`` where it counts patches."""
    if any(name in model for name, _ in _BY_PATCHES):
        return None
    return next(((base, tile) for name, base, tile in _BY_TILES if name in f"{model}-"), None)


def _low_detail(media: Media, dialect: str, model: str) -> int:
    """Return what an image takes that OpenAI is to look at with low detail; 0 where that is not published."""
    tiled = _tiled(model.lower()) if dialect == "openai" and media.detail == "low" else None
    return tiled[0] if tiled else 0


def _tokens(media: Media, dialect: str, model: str) -> int:
    if media.kind == "audio":
        return (media.seconds or _MOST_SECONDS) * _SOUND_TOKENS
    if media.kind == "document":
        return (media.pages or MOST_PAGES) * (_PAGE_TEXT_TOKENS + image_tokens(*_PAGE_PIXELS, dialect, model))
    if low := _low_detail(media, dialect, model):
        return low
    return image_tokens(media.width or _MOST_PIXELS, media.height or _MOST_PIXELS, dialect, model)


def image_tokens(width: int, height: int, dialect: str, model: str) -> int:
    """Return the most tokens that an image of so many pixels takes."""
    match dialect:
        case "anthropic":
            return _anthropic(width, height)
        case "openai":
            return _openai(width, height, model)
        case _:
            qwen = min(_patches(width, height, 28), 16_384)
            return max(_openai(width, height, model), _anthropic(width, height), qwen)


def _anthropic(width: int, height: int) -> int:
    return min(max(math.ceil(width * height / 750), _patches(width, height, 28)), 4784)


def _openai(width: int, height: int, model: str) -> int:
    tiles = _tiles(width, height)
    if "4o-mini" in model.lower():
        return 2833 + 5667 * tiles
    patches = _patches(width, height, 32)
    by_patches = max(
        math.ceil(min(patches, _MOST_PATCHES) * _DEAREST_FACTOR),
        math.ceil(min(patches, _MOST_ORIGINAL_PATCHES) * _ORIGINAL_FACTOR),
    )
    return max(85 + 170 * tiles, by_patches)


def _tiles(width: int, height: int) -> int:
    """Return how many tiles an image has that was fitted into a square of 2048, and its short side to 768."""
    fit = min(1.0, 2048 / max(width, height))
    fit *= min(1.0, 768 / (min(width, height) * fit))
    return min(math.ceil(width * fit / 512) * math.ceil(height * fit / 512), _MOST_TILES)


def _patches(width: int, height: int, side: int) -> int:
    return math.ceil(width / side) * math.ceil(height / side)
