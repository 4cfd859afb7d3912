"""What a call cost, from the price list that litellm carries; nothing is looked up online."""

from decimal import Decimal
from typing import Any

from messagedb_agent.events.values import Price, Usage

_PLACES = Decimal("1E-12")
_TOO_MUCH_USD = 1e6  # for one call, or for a million tokens: no sum, but a mistake


def exact(dollars: float | int) -> Decimal:
    """Return a price as the decimal that its shortest text says, without an exponent.

    litellm computes in binary floats; twelve places of a dollar keep every price there is and
    drop what the computation adds (0.00055 in place of 0.0005500000000000001).
    """
    rounded = Decimal(repr(dollars)).quantize(_PLACES).normalize()
    return rounded.quantize(Decimal(1)) if rounded == rounded.to_integral() else rounded


def _dollars(value: object) -> Decimal | None:
    """Return a sum that somebody gave; None for what cannot be one: negative, NaN, no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return exact(value) if 0 <= value < _TOO_MUCH_USD else None


def price_of(litellm: Any, name: str) -> Price | None:
    """Return the list price of a model, or None where there is none.

    It is the base price: some providers ask more for very long prompts, which the cost of a
    call takes into account.
    """
    try:
        listed = litellm.get_model_info(name)
    except Exception:  # noqa: BLE001 - no price must ever cost the reply that was paid for
        return None
    price = Price(
        input_usd=_per_million(listed.get("input_cost_per_token")),
        output_usd=_per_million(listed.get("output_cost_per_token")),
        cached_input_usd=_per_million(listed.get("cache_read_input_token_cost")),
        cache_write_usd=_per_million(listed.get("cache_creation_input_token_cost")),
    )
    return None if price == Price() else price


def _per_million(per_token: object) -> Decimal | None:
    if isinstance(per_token, bool) or not isinstance(per_token, int | float):
        return None
    return _dollars(per_token * 1_000_000)


def cost_of(litellm: Any, name: str, usage: Usage | None, raw_usage: Any) -> Decimal | None:
    """Return what a call cost in US dollars, or None where that is unknown.

    A negative cost is no cost: a gateway's counts as not given, and one that comes of a price
    that an application told litellm as unknown.

    Args:
        litellm: the module.
        name: the model as litellm names it.
        usage: what was used, as recorded; None is unknown.
        raw_usage: the same as litellm holds it, with a provider's own cost if it gave one.
    """
    told = _dollars(getattr(raw_usage, "cost", None))
    if told is not None or usage is None:
        return told
    if price_of(litellm, name) is None:
        return None
    try:
        counted = litellm.Usage(
            prompt_tokens=usage.input_tokens,
            completion_tokens=usage.output_tokens,
            total_tokens=usage.input_tokens + usage.output_tokens,
            cache_read_input_tokens=usage.cached_input_tokens,
            cache_creation_input_tokens=usage.cache_write_tokens,
        )
        given, made = litellm.cost_per_token(model=name, usage_object=counted)
    except Exception:  # noqa: BLE001 - as above: an unknown price is no failure
        return None
    return _dollars(given + made)
