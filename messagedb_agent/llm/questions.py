"""What the offline model understands: arithmetic and questions about the time, in plain English."""

import re

MOST_CALCULATIONS = 8
"""Most expressions taken from one message."""

MOST_CHARS = 2_000
"""Longest text that is taken for a question, in characters."""

_WORDS = [
    (re.compile(pattern, re.IGNORECASE), sign)
    for pattern, sign in (
        (r"(?<=\d),(?=\d{3}(?:\D|$))", ""),
        (r"\bthe (?=square root)", ""),
        (r"\bsquare root of (\d+(?:\.\d+)?)", r"sqrt(\1)"),
        (r"(\d+(?:\.\d+)?)\s*(?:%|percent) of\b", r"\1 / 100 *"),
        (r"\b(?:to the power of|raised to)\b", "**"),
        (r"(?<=[\d)])\s*squared\b", " ** 2"),
        (r"(?<=[\d)])\s*cubed\b", " ** 3"),
        (r"(?<=[\d)]) plus\b", " +"),
        (r"(?<=[\d)]) minus\b", " -"),
        (r"(?<=[\d)]) (?:times|multiplied by)\b", " *"),
        (r"(?<=[\d)]) (?:divided by|over)\b", " /"),
        (r"(?<=[\d)]) (?:modulo|mod)\b", " %"),
        (r"(?<=\d) ?x ?(?=\d)", " * "),
        ("\N{MULTIPLICATION SIGN}", "*"),
        ("\N{DIVISION SIGN}", "/"),
        ("\N{MINUS SIGN}", "-"),
    )
]

_NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+)"
_OPERAND = rf"[-+]?\s*(?:(?:sqrt\s*)?\(\s*[-+]?\s*){{0,20}}{_NUMBER}(?:\s*\)){{0,20}}"
_OPERATOR = r"\s*(?:\*\*|//|[-+*/%^])\s*"
_EXPRESSION = re.compile(
    rf"(?<![\w.:/-])(?:{_OPERAND}(?:{_OPERATOR}{_OPERAND})+|sqrt\s*\(\s*{_NUMBER}\s*\))(?![\w:/])"
)

# Where one of these stands right before it, even `2024-11-21` is meant as a sum.
_ASKED = re.compile(
    r"(?:what(?:'s| is| are)|how much is|calculate|compute|evaluate|work out|solve)\s*:?\s*$",
    re.IGNORECASE,
)
# Without such words, an expression must be no date (1/2/2024), range (3-5) or ratio (24/7).
_CLEAR = re.compile(r"[+*^]|\s(?:-|/|//|%)\s|sqrt")


def calculations(said: str) -> list[str]:
    """Return the arithmetic expressions that a text asks for, as a calculator takes them."""
    if len(said) > MOST_CHARS:
        return []
    for pattern, sign in _WORDS:
        said = pattern.sub(sign, said)
    found = []
    for match in _EXPRESSION.finditer(said):
        expression = _balanced(match[0].strip())
        is_all = match[0].strip() == said.strip(" \t\n?.!=")
        asked = _ASKED.search(said[: match.start()]) is not None
        if expression and (is_all or asked or _CLEAR.search(expression)):
            found.append(expression)
    return list(dict.fromkeys(found))[:MOST_CALCULATIONS]


def _balanced(expression: str) -> str:
    """Return the expression without parentheses that belong to the sentence around it."""
    missing = expression.count("(") - expression.count(")")
    while missing > 0 and expression.startswith("("):
        expression, missing = expression[1:].lstrip(), missing - 1
    while missing < 0 and expression.endswith(")"):
        expression, missing = expression[:-1].rstrip(), missing + 1
    return "" if missing else expression


_TIME = re.compile(
    r"\bwhat time\b|\bwhat(?:'s| is) the (?:current |local |exact )?(?:time|date)\b"
    r"|\b(?:tell|give|show) (?:me|us) (?:also )?the (?:current |local |exact )?(?:time|date)\b"
    r"|\bcurrent (?:time|date)\b|\btime is it\b|\bhave the time\b|\bthe time (?:now|in)\b"
    r"|\bwhat (?:day|date) is (?:it|today)\b",
    re.IGNORECASE,
)
_ZONE = re.compile(r"\b(?:UTC|GMT|[A-Z][A-Za-z]+(?:/[A-Z][A-Za-z_-]+)+)\b")
_CITIES = {
    "amsterdam": "Europe/Amsterdam",
    "athens": "Europe/Athens",
    "beijing": "Asia/Shanghai",
    "berlin": "Europe/Berlin",
    "cairo": "Africa/Cairo",
    "chicago": "America/Chicago",
    "delhi": "Asia/Kolkata",
    "dubai": "Asia/Dubai",
    "hong kong": "Asia/Hong_Kong",
    "london": "Europe/London",
    "los angeles": "America/Los_Angeles",
    "madrid": "Europe/Madrid",
    "mexico city": "America/Mexico_City",
    "moscow": "Europe/Moscow",
    "mumbai": "Asia/Kolkata",
    "nairobi": "Africa/Nairobi",
    "new york": "America/New_York",
    "paris": "Europe/Paris",
    "rome": "Europe/Rome",
    "san francisco": "America/Los_Angeles",
    "shanghai": "Asia/Shanghai",
    "singapore": "Asia/Singapore",
    "sydney": "Australia/Sydney",
    "tokyo": "Asia/Tokyo",
    "toronto": "America/Toronto",
    "vienna": "Europe/Vienna",
    "zurich": "Europe/Zurich",
}
_CITY = re.compile(rf"\b(?:{'|'.join(_CITIES)})\b", re.IGNORECASE)


def time_questions(said: str) -> list[str | None]:
    """Return the time zones whose time a text asks for; None for one that it does not name."""
    if len(said) > MOST_CHARS or _TIME.search(said) is None:
        return []
    zones = [match[0] for match in _ZONE.finditer(said)]
    cities = [_CITIES[match[0].lower()] for match in _CITY.finditer(_ZONE.sub(" ", said))]
    return list(dict.fromkeys([*zones, *cities])) or [None]
