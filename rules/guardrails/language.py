"""Tells the language of a text by its script and its most frequent words, or says that it can't. Small and honest:
a text that is short, mixed or in a language not listed is ``None`` and never a guess."""

import re
import unicodedata

MIN_CHARACTERS = 40
_LEAST_SHARE = 0.08
"""Of all words, those that must be among a language's most frequent ones."""
_LEAST_LEAD = 1.5
"""How often more its words must occur than those of the next language."""
_WORD = re.compile(r"[^\W\d_]+")
_SAMPLE_CHARACTERS = 4000

_WORDS = {
    "en": "the of and to in is that it for was on are as with his they at be this have from or had by but not "
    "what all were we when your can there use an each which she how their if will do you",
    "de": "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus "
    "er hat dass sie nach wird bei einer um am sind noch wie einem über so zum ich wir aber",
    "fr": "de la le et les des en un du une que est pour qui dans par plus pas au sur ne se ce il sont avec son "
    "nous vous mais ou aux cette elle je tout été comme leur",
    "es": "de la que el en y los del se las por un para con no una su al lo como más pero sus le ya o este sí "
    "porque esta entre cuando muy sin sobre también me hasta hay donde",
    "it": "di e il la che in un per è del le una sono con non si da gli al dei come più ma alla della anche nel "
    "lo ha delle questo se nella io essere hanno",
    "pt": "de a o que e do da em um para com não uma os no se na por mais as dos como mas foi ao ele das tem seu "
    "sua ou ser quando muito há nos já está eu também só pelo pela até isso",
    "nl": "de van een het en in is dat op te zijn met voor niet aan er om ook als dan maar bij of uit nog naar "
    "heeft hij ze wordt door over ik je we die deze",
    "pl": "w i na z do nie się to że jest o jak po co ale za od tak przez przy tym już są dla czy który być może",
    "sv": "och i att det som en på är av för med den till inte har de om ett var jag men vi från så kan när",
    "tr": "ve bir bu için da de ile olarak çok daha olan gibi en sonra kadar ne var ama o her ki mi değil",
}
_STOP_WORDS = {code: frozenset(words.split()) for code, words in _WORDS.items()}
_SCRIPTS = {
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "CJK": "zh",
    "GREEK": "el",
    "HEBREW": "he",
    "ARABIC": "ar",
    "DEVANAGARI": "hi",
    "THAI": "th",
    "CYRILLIC": "ru",
}
"""The script's word in a character's Unicode name. Cyrillic, Arabic and Devanagari stand for several languages
each; the most common one is named."""
LANGUAGES = tuple(sorted({*_WORDS, *_SCRIPTS.values()}))


def language_of(text: str) -> str | None:
    """Return the ISO 639-1 code of a text's language, or None when it can't be told."""
    sample = text[:_SAMPLE_CHARACTERS]
    letters = [sign for sign in sample if sign.isalpha()]
    by_script = _by_script(letters)
    if by_script is not None:
        return by_script
    if len(sample) < MIN_CHARACTERS:
        return None
    words = [word.lower() for word in _WORD.findall(sample)]
    counts = sorted(
        ((sum(word in known for word in words), code) for code, known in _STOP_WORDS.items()),
        reverse=True,
    )
    (most, code), (next_most, _) = counts[0], counts[1]
    if most < _LEAST_SHARE * len(words) or most < 3 or most < _LEAST_LEAD * next_most:
        return None
    return code


def _by_script(letters: list[str]) -> str | None:
    foreign = [sign for sign in letters if ord(sign) >= 0x370]
    if len(foreign) < 5 or len(foreign) * 2 < len(letters):
        return None
    counts: dict[str, int] = {}
    for sign in foreign:
        script = unicodedata.name(sign, "").split(" ")[0]
        code = _SCRIPTS.get(script)
        if code is not None:
            counts[code] = counts.get(code, 0) + 1
    if counts.get("ja"):
        # Japanese is written with Chinese characters too, Chinese never with kana.
        counts["ja"] += counts.pop("zh", 0)
    best = max(counts, key=lambda code: counts[code], default=None)
    return best if best is not None and counts[best] * 2 > len(foreign) else None
