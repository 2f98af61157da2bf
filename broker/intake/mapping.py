"""Evaluating a mapping: the values of one entity, and for each where it came from.

Owns: which source wins, deletion by ``""``, policies for what is missing, and the trace.
Must not: know orders or the database; it sees one scope of segments at a time.

A value in any source wins over an explicit null in an earlier one: a sender that deletes one field and fills its
alternative has told the value.  A weak source has not.
"""

from collections.abc import Iterable, Mapping, Sequence

from broker.domain.attributes import Value
from broker.domain.identifiers import valid_uid
from broker.domain.model import Identifier
from broker.intake import identities, times
from broker.intake.environment import Environment, Unknown, Unusable
from broker.intake.lengths import LongPolicy, fit
from broker.intake.memory import Result, keep, key_of
from broker.intake.pieces import Piece, Scope, Source
from broker.intake.rules import Mapped, Missing, Origin, Problem, Rule, Traced
from hl7.elements import Presence
from hl7.errors import Location

_ISSUED = {
    "AdmissionID", "AccessionNumber", "PlacerOrderNumberImagingServiceRequest",
    "FillerOrderNumberImagingServiceRequest",
}  # fmt: skip

_AT_RECEIPT = Traced(Origin.DEFAULT, "moment of receipt, when nothing is stored")


def evaluate(rules: Iterable[Rule], scope: Scope, env: Environment, *, creating: bool = True) -> Mapped:
    """Apply ``rules`` to ``scope``.

    Unless something may be created (``creating``), contents that are required may be missing: they are stored already.
    """
    out = Mapped()
    for rule in rules:
        silent = rule.asks is not None and rule.asks.isdisjoint(scope.said)
        found = not silent and _found(rule, scope, env, out)
        if not found and rule.missing is not Missing.OMIT:
            _miss(rule, scope, env, out, creating=creating)
    return out


def _found(rule: Rule, scope: Scope, env: Environment, out: Mapped) -> bool:
    """Whether the message says something for ``rule``, which is then in ``out``."""
    if rule.is_identity:
        return _identify(rule, scope, env, out)
    if not rule.follows:
        return _remembered(rule, scope, env, out)
    return _followed(rule, scope, env, out)


def _followed(rule: Rule, scope: Scope, env: Environment, out: Mapped) -> bool:
    """A rule that follows another: one source tells both, so what it leaves out is told to be absent."""
    leader = rule.follows
    if leader in out.values and out.values[leader] is None:
        out.values[rule.keyword], out.trace[rule.keyword] = None, out.trace[leader]
        return True
    found = _remembered(rule, scope, env, out)
    # few messages tell the time of a birth, and those that do not leave it as it is
    if found or leader not in out.values or leader not in out.chosen or rule.conversion == "birth_time":
        return found
    place = out.trace[leader].place
    out.values[rule.keyword] = rule.default or None
    out.trace[rule.keyword] = Traced(Origin.DEFAULT if rule.default else Origin.DELETED, f"not said in {place}")
    return True


def _remembered(rule: Rule, scope: Scope, env: Environment, out: Mapped) -> bool:
    """As ``_fill``, which is asked only for texts that were not met before."""
    if env.results is None:
        return _fill(rule, scope, env, out)
    key = key_of(rule, _sources(rule, out), scope)
    known = env.results.get(key)
    if known is None:
        alone = Mapped(chosen=dict(out.chosen))
        alone.chosen.pop(rule.keyword, None)
        known = Result.of(rule, alone, found=_fill(rule, scope, env, alone))
        keep(env.results, key, known)
    return known.into(rule, out)


def _fill(rule: Rule, scope: Scope, env: Environment, out: Mapped) -> bool:
    """Take the first source that yields a value, or all of them; True when the message says something."""
    null: Piece | None = None
    gathered: list[str | int | Mapping[str, Value]] = []
    for source in _sources(rule, out):
        if source.path is None:
            if scope.holds(source.where):
                _put(rule, source.value, Traced(Origin.RULE, "constant"), out, weak=source.weak)
                return True
            continue
        pieces = scope.pieces(source)
        if not pieces:
            continue
        present = [piece for piece in pieces if piece.presence is Presence.VALUE]
        if not present:
            null = null or pieces[0]
            continue
        try:
            value = _converted(rule, present, env, out)
        except Unknown:
            null = null or present[0]
            continue
        if not value:
            continue
        if rule.gather and isinstance(value, list):
            gathered += [v for v in value if v not in gathered]
        elif not rule.gather:
            _take(rule, source, present[0], value, out)
            return not source.weak or null is None or _delete(rule, null, out)
        out.trace.setdefault(rule.keyword, Traced(Origin.MESSAGE, present[0].place))
    if gathered:
        out.values[rule.keyword] = gathered
        return True
    return _delete(rule, null, out)


def _sources(rule: Rule, out: Mapped) -> tuple[Source, ...]:
    if not rule.follows:
        return rule.sources
    leader = out.chosen.get(rule.follows)
    return () if leader is None else (leader,)


def _converted(rule: Rule, pieces: Sequence[Piece], env: Environment, out: Mapped) -> Value | None:
    """The converted value in its lawful length; None when there is nothing usable, which is noted."""
    place = pieces[0].location
    try:
        value = rule.convert(pieces, env)
        result = None if value is None or rule.is_sequence else _fitted(rule, value, env)
        return value if rule.is_sequence else result
    except Unusable as unusable:
        out.problems.append(Problem(rule.keyword, unusable.text, place, unusable.code, fatal=rule.strict))
        return None
    finally:
        _take_warnings(rule, place, env, out)


def _take_warnings(rule: Rule, place: Location, env: Environment, out: Mapped) -> None:
    if env.warnings:
        out.problems += [Problem(rule.keyword, text, place) for text in env.warnings]
        env.warnings.clear()


def _fitted(rule: Rule, value: Value, env: Environment) -> Value | None:
    """One value or a list as the attribute allows, each within the limit."""
    if isinstance(value, int):
        return value
    texts = [value] if isinstance(value, str) else [v for v in value if isinstance(v, str)]
    texts = [text for text in texts if text]
    if not rule.multiple:
        texts = texts[:1]
    if rule.limit:
        texts = [part for text in texts for part in fit(text, rule.limit, rule.long, env)]
    if rule.multiple:
        return texts
    return texts[0] if texts else None


def _take(rule: Rule, source: Source, piece: Piece, value: Value, out: Mapped) -> None:
    out.chosen[rule.keyword] = source
    _put(rule, value, Traced(Origin.MESSAGE, piece.place), out, weak=source.weak)


def _put(rule: Rule, value: Value, traced: Traced, out: Mapped, *, weak: bool) -> None:
    if weak:
        out.weak[rule.keyword] = value
    else:
        out.values[rule.keyword] = value
    out.trace[rule.keyword] = traced


def _delete(rule: Rule, null: Piece | None, out: Mapped) -> bool:
    if null is None or rule.missing is Missing.REQUIRE:
        # what nothing can do without is not deleted: it is missing, and refused for that
        return False
    out.values[rule.keyword] = None
    out.trace[rule.keyword] = Traced(Origin.DELETED, null.place)
    return True


def _identify(rule: Rule, scope: Scope, env: Environment, out: Mapped) -> bool:
    """An identifier with its issuer from the first source that has one; an identity cannot be deleted."""
    for source in rule.sources:
        present = [piece for piece in scope.pieces(source) if piece.presence is Presence.VALUE]
        if not present:
            continue
        place = present[0].location
        try:
            found = _identifiers(rule, present, env)
        except Unusable as unusable:
            out.problems.append(Problem(rule.keyword, unusable.text, place, unusable.code, fatal=True))
            return True
        _take_warnings(rule, place, env, out)
        if found:
            out.identifiers[rule.keyword] = found
            out.trace[rule.keyword] = Traced(Origin.MESSAGE, present[0].place)
            return True
    return False


def _identifiers(rule: Rule, pieces: Sequence[Piece], env: Environment) -> tuple[Identifier, ...]:
    if rule.keyword == "PatientID":
        found = identities.patient_identifiers(pieces, env)
    elif rule.keyword in _ISSUED:
        one = identities.number(pieces[0])
        found = (one,) if one else ()
    else:
        value = rule.convert(pieces[:1], env)
        found = tuple(Identifier(v) for v in value if isinstance(v, str)) if isinstance(value, list) else ()
    policy = rule.long if rule.long is LongPolicy.KEEP else LongPolicy.REFUSE
    for identifier in found[:1]:
        fit(identifier.value, rule.limit, policy, env)
    if rule.keyword == "StudyInstanceUID" and found and not valid_uid(found[0].value):
        raise Unusable("not a valid UID: digits and dots, no leading zeros, at most 64 characters")
    return found


def _miss(rule: Rule, scope: Scope, env: Environment, out: Mapped, *, creating: bool) -> None:
    """Nothing was said: refuse, generate, fill in, or leave alone."""
    keyword = rule.keyword
    match rule.missing:
        case Missing.REQUIRE if creating or rule.is_identity:
            place = _first_place(rule)
            out.problems.append(Problem(keyword, "a value is required", place, "101", fatal=True))
        case Missing.GENERATE:
            out.trace[keyword] = Traced(Origin.GENERATED, "when nothing is stored")
        case Missing.NOW:
            out.defaults[keyword] = times.now_date(env) if rule.conversion == "date" else times.now_time(env)
            out.trace[keyword] = _AT_RECEIPT
            out.problems.append(Problem(keyword, "not said: the moment of receipt was taken", _first_place(rule)))
        case Missing.DEFAULT:
            _default(rule, env, out)
        case _:
            return


def _default(rule: Rule, env: Environment, out: Mapped) -> None:
    """A time that follows a date filled in with the day of receipt is the time of receipt."""
    if rule.follows and rule.follows in out.defaults:
        out.defaults[rule.keyword], out.trace[rule.keyword] = times.now_time(env), _AT_RECEIPT
        return
    out.defaults[rule.keyword] = [rule.default] if rule.multiple else rule.default
    out.trace[rule.keyword] = Traced(Origin.DEFAULT, "of the mapping, when nothing is stored")


def _first_place(rule: Rule) -> Location | None:
    path = next((source.path for source in rule.sources if source.path is not None), None)
    return None if path is None else Location(path.segment, 1, path.field)
