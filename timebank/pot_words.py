"""What groups call their pot: the words on offer in each language, and sentences that say one of them instead of pot.

Sentences and their translations know one noun for the pot. Where a group chose another one, it is put in after
translation, with what must agree with it beside it. So no template and no sentence knows of other words, and a
translator writes the language's own noun (decision 0089). What stands further from the noun than the rules below
reach must not depend on its gender; ``tests/web/test_pot_words.py`` reads every sentence for that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: What the code, the sentences and a group that chose nothing say.
POT: Final = "pot"

# A sentence about what timebank is speaks of any group's pot, and keeps the word that everybody knows.
_OF_ANY_GROUP: Final = re.compile(r"\bcommon pot\b")


class Noun(NamedTuple):
    """A word for the pot, as dictionaries have it."""

    one: str
    many: str
    is_feminine: bool = False


#: The word of every choice (``rules.set_up.WORDS``) by language; the one for ``pot`` is that of the catalogue. None
#: begins with a vowel or a mute h, since the rules turn genders and never elide.
NOUNS: Final[Mapping[str, Mapping[str, Noun]]] = {
    "en": {
        "pot": Noun("pot", "pots"),
        "pool": Noun("pool", "pools"),
        "hat": Noun("hat", "hats"),
        "kitty": Noun("kitty", "kitties"),
    },
    "es": {
        "pot": Noun("bote", "botes"),
        "pool": Noun("fondo común", "fondos comunes"),
        "hat": Noun("gorra", "gorras", is_feminine=True),
        "kitty": Noun("hucha", "huchas", is_feminine=True),
    },
    "fr": {
        "pot": Noun("pot", "pots"),
        "pool": Noun("fonds commun", "fonds communs"),
        "hat": Noun("chapeau", "chapeaux"),
        "kitty": Noun("cagnotte", "cagnottes", is_feminine=True),
    },
    "pt": {
        "pot": Noun("fundo", "fundos"),
        "pool": Noun("fundo comum", "fundos comuns"),
        "hat": Noun("chapéu", "chapéus"),
        "kitty": Noun("vaquinha", "vaquinhas", is_feminine=True),
    },
    "ar": {
        "pot": Noun("صندوق", "صناديق"),
        "pool": Noun("وعاء", "أوعية"),
        "hat": Noun("قبّعة", "قبّعات", is_feminine=True),
        "kitty": Noun("حصّالة", "حصّالات", is_feminine=True),
    },
}


@dataclass(frozen=True, slots=True)
class Grammar:
    """How a language writes its noun for the pot, and what beside it agrees with a noun that is feminine.

    Attributes:
        noun: The noun as a group, with what is written in one word with it; ``{one}`` and ``{many}`` are its forms.
        before: Words right before it, masculine to feminine; those of two words come first.
        after: Words right after it, the same.
    """

    noun: str
    before: Mapping[str, str]
    after: Mapping[str, str]


# Neither the name of a place in a sentence nor the example of an address.
_LATIN_NOUN: Final = r"(?P<noun>(?<!%\()\b(?:{one}|{many})\b(?!\.example))"
#: In Arabic the article, prepositions and "and" are one word with the noun; so are possessives and the accusative.
_ARABIC_NOUN: Final = r"(?<![\u0621-\u0652])(?:[وف]?(?:ال|لل|بال|كال|[لبك])?)(?P<noun>(?:{one}|{many})(?:ها|ه|نا|ًا?)?)(?![\u0621-\u0652])"

GRAMMARS: Final[Mapping[str, Grammar]] = {
    "en": Grammar(_LATIN_NOUN, {}, {}),
    "es": Grammar(
        _LATIN_NOUN,
        {
            "todos los": "todas las",
            "su propio": "su propia",
            "el": "la",
            "del": "de la",
            "al": "a la",
            "los": "las",
            "un": "una",
            "ningún": "ninguna",
            "este": "esta",
            "ese": "esa",
            "otro": "otra",
        },
        {"al que": "a la que", "del que": "de la que", "vacío": "vacía", "juntos": "juntas"},
    ),
    "fr": Grammar(
        _LATIN_NOUN,
        {
            "tous les": "toutes les",
            "seul un": "seule une",
            "un autre": "une autre",
            "le": "la",
            "du": "de la",
            "au": "à la",
            "un": "une",
            "aucun": "aucune",
            "ce": "cette",
            "quel": "quelle",
            "son": "sa",
        },
        {"auquel": "à laquelle"},
    ),
    "pt": Grammar(
        _LATIN_NOUN,
        {
            "todos os": "todas as",
            "seu próprio": "sua própria",
            "dos seus": "das suas",
            "o": "a",
            "do": "da",
            "no": "na",
            "ao": "à",
            "os": "as",
            "dos": "das",
            "um": "uma",
            "nenhum": "nenhuma",
            "este": "esta",
            "esse": "essa",
            "deste": "desta",
            "outro": "outra",
        },
        {"vazio": "vazia", "juntos": "juntas"},
    ),
    "ar": Grammar(
        _ARABIC_NOUN,
        {"هذا": "هذه"},
        {
            # What a pot does is said with the verb after it.
            "الذي يتحمّل": "التي تتحمّل",
            "يتحمّل": "تتحمّل",
            "يتحمّله": "تتحمّله",
            "يمرّر": "تمرّر",
            "كهذا": "كهذه",
            "آخر": "أخرى",
            "فارغ": "فارغة",
            "كلّه": "كلّها",
        },
    ),
}


def noun_of(word: str, code: str) -> Noun:
    """Return what a group that chose a word calls its pot in a language; what is not known is a pot."""
    offered = NOUNS.get(code, NOUNS["en"])
    return offered.get(word, offered[POT])


def is_of_any_group(message: str) -> bool:
    """Whether a sentence, as it is in the code, is about timebank and not about the reader's group."""
    return _OF_ANY_GROUP.search(message) is not None


@lru_cache
def turning(word: str, code: str) -> Callable[[str], str]:
    """Return a function that says a group's word for the pot in a sentence of a language, in its right form.

    Args:
        word: One of ``NOUNS``, and not pot.
        code: The language of the sentences.
    """
    grammar, plain, chosen = GRAMMARS[code], NOUNS[code][POT], NOUNS[code][word]
    noun = _with_neighbours(grammar, plain)
    before, after = (grammar.before, grammar.after) if chosen.is_feminine else ({}, {})

    def turned(found: re.Match[str]) -> str:
        start, end = found.span("noun")
        left = found.string[found.start() : start]
        right = found.string[end : found.end()]
        return _agreeing(left, before) + _form(found["noun"], plain, chosen) + _agreeing(right, after)

    # Sentences are few and said again and again.
    return lru_cache(maxsize=8192)(lambda sentence: noun.sub(turned, sentence))


def _with_neighbours(grammar: Grammar, plain: Noun) -> re.Pattern[str]:
    before = "|".join(map(re.escape, grammar.before)) or r"(?!)"
    after = "|".join(map(re.escape, grammar.after)) or r"(?!)"
    noun = grammar.noun.format(one=plain.one, many=plain.many)
    return re.compile(
        rf"(?:(?P<before>(?<!\w)(?:{before}))\s+)?{noun}(?:\s+(?P<after>(?:{after})(?![\w\u0621-\u0652])))?",
        re.IGNORECASE,
    )


def _agreeing(beside: str, forms: Mapping[str, str]) -> str:
    """Return what stands beside the noun, spaces and all, in the form that a feminine noun wants."""
    for masculine, feminine in forms.items():
        said = re.search(rf"(?<!\w){masculine}(?!\w)", beside, re.IGNORECASE)
        if said:
            return beside[: said.start()] + _as_begun(feminine, said[0]) + beside[said.end() :]
    return beside


def _form(said: str, plain: Noun, chosen: Noun) -> str:
    """Return a form of the catalogue's noun as the same form of another one."""
    is_many = said.lower().startswith(plain.many)
    stem, other = (plain.many, chosen.many) if is_many else (plain.one, chosen.one)
    ending = said[len(stem) :]
    if ending == "ًا" and other[-1] in "ةء":
        # These two letters bear the accusative without an alif.
        ending = "ً"
    elif ending and other.endswith("ة"):
        other = other[:-1] + "ت"
    return _as_begun(other, said) + ending


def _as_begun(written: str, like: str) -> str:
    return written[0].upper() + written[1:] if like[0].isupper() else written
