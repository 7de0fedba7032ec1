"""The most tokens that images, documents and sounds take, as vendors publish it; what they say is charged.

OpenAI ("Images and vision") counts tiles of 512 pixels, after the image was fitted into 2048 and its short side to 768,
or patches of 32 pixels times a factor of the model. Anthropic ("Vision") counts width x height / 750, or patches of 28
pixels, and at most 4,784; of a page of a PDF up to 3,000 tokens of text, and the page as an image. Open servers run
models such as Qwen2-VL: 28 pixels, at most 16,384. What cannot be known, as the size of an image behind a link, is
taken for the most that there is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.messages import Media, Message, media_of
from core.messages.media import MOST_PAGES

_PAGE_TEXT_TOKENS = 3000
_PAGE_PIXELS = (1654, 2339)
"""A page of A4 at 200 dots per inch, more than any vendor draws it with."""
_SOUND_TOKENS = 32
"""Of a second, at Gemini; OpenAI counts 10."""
_MOST_SECONDS = 1500
"""OpenAI hears 25 minutes of one sound."""
_MOST_PIXELS = 20_000
_MOST_TILES = 8
_MOST_PATCHES = 1536
_MOST_ORIGINAL_PATCHES = 10_000
_DEAREST_FACTOR = 2.46
_ORIGINAL_FACTOR = 1.2


def media_tokens(messages: Sequence[Message], dialect: str, model: str) -> int:
    """Return the most tokens that what is not text takes, in *dialect*: ``openai``, ``anthropic`` or ``compatible``."""
    return sum(_tokens(one, dialect, model) for one in media_of(messages))


def _tokens(media: Media, dialect: str, model: str) -> int:
    if media.kind == "audio":
        return (media.seconds or _MOST_SECONDS) * _SOUND_TOKENS
    if media.kind == "document":
        return (media.pages or MOST_PAGES) * (_PAGE_TEXT_TOKENS + image_tokens(*_PAGE_PIXELS, dialect, model))
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
