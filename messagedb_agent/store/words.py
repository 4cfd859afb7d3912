"""Words of texts, and what is sought among them: one meaning for every store.

A word is a run of letters and digits, whatever the case; no language is known, so no word is left
out and none is cut to its stem.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import log2

from messagedb_agent.errors import ValidationError

MAX_CHARS = 100_000
"""How much of a text is searched, in characters, as it is written and as its words are compared:
PostgreSQL's `tsvector` holds 1 MiB, and NFKC makes eighteen characters of one."""

MAX_WORDS = 16_000
"""How many of its words: a `tsvector` knows places up to 16,383."""

MAX_SOUGHT = 64
"""Most words that are sought at once."""

_MAX_WORD_CHARS = 64  # what is longer is cut, in texts and in what is sought
_MOST_PLACES = 255  # of a word, that a `tsvector` keeps
_WORD = re.compile(r"[^\W_]+")
_SOUGHT = re.compile(r'"([^"]*)"|(\S+)')
_ZETA_2 = 1.64493406685


@dataclass(frozen=True, slots=True)
class Query:
    """What is sought: texts that have all of it.

    Attributes:
        phrases: words that stand one right behind the other; most often one alone.
    """

    phrases: tuple[tuple[str, ...], ...]

    @property
    def words(self) -> tuple[str, ...]:
        """Every word that is sought, once."""
        return tuple(dict.fromkeys(word for phrase in self.phrases for word in phrase))


def query_of(text: str) -> Query:
    """Return what a person seeks by a text.

    Words are sought wherever they stand. Those in double quotes, and those that only signs part
    (`get_current_time`, `ada@example.org`), are sought one right behind the other. A quote without
    its other one is a sign.

    Raises:
        ValidationError: there is no word in it, or more than 64 are.
    """
    found = list[tuple[str, ...]]()
    for quoted, plain in _SOUGHT.findall(text[: MAX_CHARS + 1]):
        if phrase := tuple(words_of(quoted or plain)):
            found.append(phrase)
    if not found:
        raise ValidationError("there is no word to search for", field="text")
    if sum(map(len, found)) > MAX_SOUGHT:
        raise ValidationError(f"a search has {MAX_SOUGHT} words at most", field="text")
    return Query(tuple(dict.fromkeys(found)))


def words_of(text: str) -> Iterator[str]:
    """Yield the words of a text, as far as it is searched."""
    text = plain(text)
    if text.isascii():  # most are, and an index is made of many
        for found in islice(_WORD.finditer(text.lower()), MAX_WORDS):
            yield found.group()[:_MAX_WORD_CHARS]
    else:
        for word, _, _ in places_of(text):
            yield word


def plain(text: str) -> str:
    """Return a text as it is searched: as far as that goes, its accents composed."""
    return unicodedata.normalize("NFC", text[:MAX_CHARS])[:MAX_CHARS]


def places_of(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield each word of a text with where it begins and ends in it."""
    left = MAX_CHARS
    for found in islice(_WORD.finditer(text), MAX_WORDS):
        word = unicodedata.normalize("NFKC", found.group()).casefold()[:_MAX_WORD_CHARS]
        left -= len(word)
        if left < 0:
            return
        yield word, found.start(), found.end()


def has_all(words: Sequence[str], query: Query) -> bool:
    """Say whether a text of these words has all that is sought."""
    return all(first_place(words, phrase) is not None for phrase in query.phrases)


def first_place(words: Sequence[str], phrase: Sequence[str]) -> int | None:
    """Return where in a text a phrase stands first, in words."""
    wanted, size = [*phrase], len(phrase)
    starts = (i for i, word in enumerate(words) if word == wanted[0])
    return next((i for i in starts if [*words[i : i + size]] == wanted), None)


def rank(words: Sequence[str], query: Query) -> float:
    """Return how well a text fits: the more often words are in it, and the shorter it is.

    Source: PostgreSQL 18, `tsrank.c`: `ts_rank` of a disjunction, all weights 1, normalised by the
    logarithm of the length; to four places.
    """
    counts = _counts(words)
    parts = [sum(1 / (n * n) for n in range(1, counts.get(w, 0) + 1)) for w in query.words]
    length = sum(counts.values())
    return round(sum(parts) / _ZETA_2 / len(parts) / log2(length + 1), 4)


def _counts(words: Sequence[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = min(counts.get(word, 0) + 1, _MOST_PLACES)
    return counts


def as_tsvector(text: str) -> str:
    """Return the words of a text as PostgreSQL reads a `tsvector`."""
    places: dict[str, list[str]] = {}
    for place, word in enumerate(words_of(text), 1):
        known = places.setdefault(word, [])
        if len(known) < _MOST_PLACES:
            known.append(str(place))
    return " ".join(f"{_quoted(word)}:{','.join(known)}" for word, known in places.items())


def as_tsquery(query: Query) -> str:
    """Return what is sought as PostgreSQL reads a `tsquery`."""
    phrases = (" <-> ".join(map(_quoted, phrase)) for phrase in query.phrases)
    return " & ".join(f"({phrase})" for phrase in phrases)


def as_any_tsquery(query: Query) -> str:
    """Return any of the words that are sought as PostgreSQL reads a `tsquery`."""
    return " | ".join(map(_quoted, query.words))


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
