"""Arithmetic on text, exact and bounded; nothing in it is ever run as code.

Numbers are exact fractions, so that `0.1 + 0.2` is `0.3` and `1 / 3 * 3` is `1`. Roots, `pi`, `e`
and powers with a fractional exponent are computed to at least 60 digits, to which a fraction is
rounded too when its denominator grows beyond 200 digits. A result is written in
full where it is a whole number or a decimal number of up to 30 digits, and rounded to 15
significant digits, of which at least 6 after the point, where it is not.
"""

import math
import re
from collections.abc import Callable, Sequence
from decimal import Context, Decimal, DecimalException, Inexact, localcontext
from fractions import Fraction

from messagedb_agent.errors import ToolError

MAX_CHARS = 1_000
"""Longest expression, in characters."""

MAX_DEPTH = 50
"""Deepest nesting of parentheses, functions, signs and powers."""

MAX_DIGITS = 1_000
"""Most digits before the point, and most zeros after it; a tenth for powers that are rounded."""

_LIMIT = 10**MAX_DIGITS
_MAX_BITS = math.ceil(MAX_DIGITS * math.log2(10))
_MAX_ROUGH_DIGITS = MAX_DIGITS // 10
_ROUND_FROM_BITS = math.ceil(200 * math.log2(10))
_WORKING_DIGITS = 60
_SHOWN_WHOLE = 30
_SHOWN_ROUNDED = 15
_SHOWN_AFTER_POINT = 6

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z]\w*)"
    r"|(?P<sign>\*\*|//|[-+*/%^(),\u00d7\u00b7\u00f7\u2212])"
    r"|(?P<end>$)"
    r"|(?P<other>.))",
    re.ASCII | re.DOTALL,
)
_SPELLINGS = {
    "^": "**",
    "\N{MULTIPLICATION SIGN}": "*",
    "\N{MIDDLE DOT}": "*",
    "\N{DIVISION SIGN}": "/",
    "\N{MINUS SIGN}": "-",
}


def calculate(expression: str) -> str:
    """Return the value of an arithmetic expression as text.

    Knows numbers, `+ - * / // % **` (`^` is `**`; the signs of print for times, divided by and
    minus are read too), parentheses, `pi`, `e`, and `abs ceil floor max min round sqrt`.
    Precedence and the meaning of `//` and `%` are Python's; `round` rounds halves away from zero.

    Raises:
        ToolError: no arithmetic, a division by zero, no real number, or beyond a bound.
    """
    if len(expression) > MAX_CHARS:
        raise ToolError(f"the expression is longer than {MAX_CHARS} characters")
    return _shown(_Parser(expression).value())


class _Parser:
    """Reads and computes in one pass: sum, product, sign, power, operand."""

    def __init__(self, expression: str) -> None:
        self._tokens = _TOKEN.finditer(expression)
        self._depth = 0
        self._step()

    def value(self) -> Fraction:
        if self._kind == "end":
            raise ToolError("there is nothing to calculate")
        value = self._sum()
        if self._kind != "end":
            raise self._unexpected()
        return value

    def _step(self) -> None:
        found = next(self._tokens)  # there is always one: the end
        self._kind = str(found.lastgroup)
        text = found[self._kind]
        self._text = _SPELLINGS.get(text, text)
        self._start = found.start(self._kind)

    def _take(self, *signs: str) -> str | None:
        if self._kind != "sign" or self._text not in signs:
            return None
        taken = self._text
        self._step()
        return taken

    def _expect(self, sign: str) -> None:
        if self._take(sign) is None:
            raise self._unexpected()

    def _unexpected(self) -> ToolError:
        if self._kind == "end":
            return ToolError("the expression is not complete")
        return ToolError(
            f"not arithmetic: unexpected {self._text[:40]!r} at character {self._start + 1}"
        )

    def _sum(self) -> Fraction:
        value = self._product()
        while sign := self._take("+", "-"):
            right = self._product()
            value = _bounded(value + right if sign == "+" else value - right)
        return value

    def _product(self) -> Fraction:
        value = self._signed()
        while sign := self._take("*", "/", "//", "%"):
            value = _bounded(_multiplied(value, sign, self._signed()))
        return value

    def _signed(self) -> Fraction:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ToolError(f"the expression is nested more than {MAX_DEPTH} deep")
        sign = self._take("+", "-")
        value = self._power() if sign is None else self._signed()
        self._depth -= 1
        return -value if sign == "-" else value

    def _power(self) -> Fraction:
        base = self._operand()
        return base if self._take("**") is None else _bounded(_raised(base, self._signed()))

    def _operand(self) -> Fraction:
        kind, text = self._kind, self._text
        if kind == "number":
            self._step()
            return _number(text)
        if kind == "name":
            return self._named(text)
        if self._take("(") is None:
            raise self._unexpected()
        value = self._sum()
        self._expect(")")
        return value

    def _named(self, name: str) -> Fraction:
        unexpected = self._unexpected()
        self._step()
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if name not in _FUNCTIONS:
            raise unexpected
        function, least, most = _FUNCTIONS[name]
        self._expect("(")
        values = [self._sum()]
        while self._take(","):
            values.append(self._sum())
        self._expect(")")
        if not least <= len(values) <= most:
            raise ToolError(f"{name} does not take {len(values)} numbers")
        return _bounded(function(values))


def _number(text: str) -> Fraction:
    _, _, exponent = text.lower().partition("e")
    if exponent and (len(exponent) > 6 or abs(int(exponent)) > MAX_DIGITS):
        raise _out_of_range()
    return _bounded(Fraction(Decimal(text)))


def _multiplied(left: Fraction, sign: str, right: Fraction) -> Fraction:
    if sign == "*":
        return left * right
    if not right:
        raise ToolError("division by zero")
    if sign == "/":
        return left / right
    return Fraction(left // right) if sign == "//" else left % right


def _raised(base: Fraction, exponent: Fraction) -> Fraction:
    if not base and exponent < 0:
        raise ToolError("division by zero")
    if base in (0, 1) or not exponent:
        return base if exponent else Fraction(1)
    if base < 0 and exponent.denominator != 1:
        raise ToolError("a negative number has no real power with a fractional exponent")
    if base == -1:
        return base if exponent.numerator % 2 else Fraction(1)
    longest = max(abs(base.numerator), base.denominator).bit_length() - 1
    if exponent.denominator == 1 and longest * abs(exponent) <= _MAX_BITS:
        return base**exponent.numerator
    if exponent.denominator == 2:  # exact where the root is
        return _raised(_root(base), Fraction(exponent.numerator))
    return _raised_roughly(base, exponent)


def _raised_roughly(base: Fraction, exponent: Fraction) -> Fraction:
    """Return a power that is not computed exactly; what is long takes long, so it is refused."""
    bits = math.log2(abs(base.numerator)) - math.log2(base.denominator)
    if len(str(abs(math.trunc(exponent)))) > _MAX_ROUGH_DIGITS:
        raise _out_of_range()
    if abs(Fraction(bits) * exponent) > _MAX_ROUGH_DIGITS * math.log2(10):
        raise _out_of_range()
    try:
        with localcontext(Context(prec=_WORKING_DIGITS + 2 * _MAX_ROUGH_DIGITS)):
            return Fraction(_decimal(base) ** _decimal(exponent))
    except DecimalException as error:
        raise _out_of_range() from error


def _root(value: Fraction) -> Fraction:
    if value < 0:
        raise ToolError("a negative number has no real square root")
    exact = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
    if exact * exact == value:
        return exact
    with localcontext(_working(value)):
        return Fraction(_decimal(value).sqrt())


def _rounded(values: Sequence[Fraction]) -> Fraction:
    value, places = values[0], values[1] if len(values) > 1 else Fraction(0)
    if places.denominator != 1 or abs(places) > MAX_DIGITS:
        raise ToolError(f"round takes a whole number of places, at most {MAX_DIGITS}")
    unit = Fraction(10) ** places.numerator
    whole = math.floor(abs(value) * unit + Fraction(1, 2))
    return (whole if value >= 0 else -whole) / unit


_Function = Callable[[Sequence[Fraction]], Fraction]

_FUNCTIONS: dict[str, tuple[_Function, int, int]] = {
    "abs": (lambda values: abs(values[0]), 1, 1),
    "ceil": (lambda values: Fraction(math.ceil(values[0])), 1, 1),
    "floor": (lambda values: Fraction(math.floor(values[0])), 1, 1),
    "max": (max, 1, MAX_CHARS),
    "min": (min, 1, MAX_CHARS),
    "round": (_rounded, 1, 2),
    "sqrt": (lambda values: _root(values[0]), 1, 1),
}

_CONSTANTS = {
    "pi": Fraction("3.14159265358979323846264338327950288419716939937510582097494459230781640629"),
    "e": Fraction("2.71828182845904523536028747135266249775724709369995957496696762772407663035"),
}


def _bounded(value: Fraction) -> Fraction:
    """Return the value, shortened where its digits are far beyond what is ever shown."""
    # Whole numbers are compared, since a fraction of a thousand digits is slow to reduce.
    above, below = abs(value.numerator), value.denominator
    if above >= _LIMIT * below or (above and above * _LIMIT < below):
        raise _out_of_range()
    if below.bit_length() <= _ROUND_FROM_BITS:
        return value
    with localcontext(_working(value)):
        return Fraction(_decimal(value))


def _out_of_range() -> ToolError:
    return ToolError(
        f"a number is out of range: more than {MAX_DIGITS} digits before the point, "
        "or zeros after it"
    )


def _working(value: Fraction) -> Context:
    """Return a context with digits for the whole part of `value`, and some to spare."""
    bits = max(0, value.numerator.bit_length() - value.denominator.bit_length())
    return Context(prec=_WORKING_DIGITS + math.ceil(bits / math.log2(10)))


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def _shown(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    whole_digits = len(str(abs(math.trunc(value))))
    with localcontext(Context(prec=_SHOWN_WHOLE + whole_digits)) as context:
        number = _decimal(value)
        is_exact = not context.flags[Inexact] and len(number.as_tuple().digits) <= _SHOWN_WHOLE
    if not is_exact:
        digits = max(_SHOWN_ROUNDED, whole_digits + _SHOWN_AFTER_POINT)
        with localcontext(Context(prec=digits)):
            number = _decimal(value)
    with localcontext(Context(prec=MAX_DIGITS * 2)):
        number = number.normalize()
    return format(number, "f" if number.adjusted() >= -_SHOWN_ROUNDED else "e")
