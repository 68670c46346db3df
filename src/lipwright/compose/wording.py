"""The sentence of the visible label in the languages that can be shown right, and which of them the user reads."""

import locale
import os
import sys

from lipwright.errors import OptionError

# Each names the artificial intelligence and the making, which GB 45438-2025 wants of a label in words, and fits a
# video and a photo brought to life alike. Short: a twentieth of the picture's shorter side is high for a sentence.
SENTENCES = {
    "en": "Made with AI",
    "zh": "人工智能合成",
    "zh-Hant": "人工智慧合成",
    "ja": "AIによる合成映像",
    "ko": "AI로 합성한 영상",
    "de": "Mit KI erstellt",
    "fr": "Créé avec l’IA",
    "es": "Creado con IA",
    "pt": "Criado com IA",
    "it": "Creato con l’IA",
    "nl": "Gemaakt met AI",
    "pl": "Utworzono z użyciem AI",
    "ru": "Создано с помощью ИИ",
    "uk": "Створено за допомогою ШІ",
    "tr": "Yapay zekâ ile yapıldı",
    "ar": "أُنشئ بالذكاء الاصطناعي",
    "hi": "एआई से बनाया गया",
}
FALLBACK = "en"
_TRADITIONAL = {"hant", "tw", "hk", "mo"}  # what a name of Chinese holds where it is written so


def known_language(name: str) -> str:
    """The row of `SENTENCES` for a language such as `de`, `pt-BR`, `zh_TW.UTF-8` or `zh-Hant`.

    Raises:
        OptionError: there is none.
    """
    found = _row(name)
    if found is None:
        raise OptionError(
            f"label-language {name!r} is not known; use one of {', '.join(SENTENCES)}, or give the text itself with "
            "--label-text"
        )
    return found


def system_language() -> str:
    """The row of `SENTENCES` for the language this machine speaks to its user; English where there is none."""
    asked = [os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG")]
    if sys.platform == "win32":
        import ctypes

        asked.append(locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage()))
    name = next((name for name in asked if name), "")
    return _row(name) or FALLBACK


def _row(name: str) -> str | None:
    plain = name.partition(".")[0].partition("@")[0].replace("_", "-").lower()
    first, *rest = plain.split("-")
    if first == "zh" and _TRADITIONAL & set(rest):
        return "zh-Hant"
    return first if first in SENTENCES else None
