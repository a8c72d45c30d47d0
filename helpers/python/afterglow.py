"""What a script needs to be a task of Afterglow, without any marker to print.

    import afterglow

    given = afterglow.read_input()
    afterglow.progress(0.5)
    afterglow.write_result({"flux": 3.5}, warning="saturated")

Python 3.8 or newer, nothing but its standard library. Afterglow puts this module on the path of the scripts that it
starts. Started by hand, a script may have its input piped in: echo '{"subject": {"name": "2010ag"}}' | python3 flux.py
"""

import datetime
import json
import math
import os
import sys

__all__ = ["attempt", "folder", "idempotency_key", "products_folder", "progress", "read_input", "try_again", "write_result"]

_START = "== RESULT START =="
_END = "== RESULT END =="


def read_input():
    """Gives what Afterglow wrote to standard input: the object or the arguments, the results of tasks before this one, the attempt.

    Gives {} where nothing was written, and where a person started the script on a terminal.
    """
    if sys.stdin is None or sys.stdin.isatty():
        return {}
    text = sys.stdin.buffer.read().decode("utf-8")
    return json.loads(text) if text.strip() else {}


def progress(fraction):
    """Says how far the script is, from 0 to 1."""
    fraction = float(fraction)
    if not 0 <= fraction <= 1:
        raise ValueError("progress should be from 0 to 1, it is %r" % fraction)
    print("== PROGRESS %.4f ==" % fraction, flush=True)


def write_result(result=None, status="success", warning=None, cost=None):
    """Says what came of the work; of several, the last one counts.

    result: a dict of what JSON can hold; dates become texts, arrays of numpy lists. ValueError where a number is NaN or
        infinite: JSON has no such number, give None.
    status: "success", or a status of the fixtures, e.g. "no host".
    warning: a caveat for people.
    cost: what the attempt cost, in the unit of your accounts.
    """
    said = dict(result or {})
    said["status"] = status
    if warning is not None:
        said["warning"] = warning
    if cost is not None:
        said["cost"] = cost
    _check(said, "")
    text = json.dumps(said, default=_plain, allow_nan=False)
    # In one piece, and whatever the encoding of standard output is: everything in it is ASCII.
    sys.stdout.write("%s\n%s\n%s\n" % (_START, text, _END))
    sys.stdout.flush()


def try_again(reason):
    """Ends the script because of what another attempt may not meet, a service that is away for one."""
    print(reason, file=sys.stderr, flush=True)
    sys.exit(75)


def attempt():
    """Gives the number of this attempt, 1 for the first; 1 where a person started the script."""
    return int(os.environ.get("AFTERGLOW_ATTEMPT", "1"))


def idempotency_key():
    """Gives a text that is the same for every repetition of this attempt's effects and different for any other; give it to services outside."""
    return os.environ.get("AFTERGLOW_IDEMPOTENCY_KEY", "by-hand")


def folder():
    """Gives the path of a folder of this attempt's own, which is removed afterwards."""
    return os.environ.get("AFTERGLOW_FOLDER", os.getcwd())


def products_folder():
    """Gives the path of the folder for products, which Afterglow's pages serve."""
    return os.environ.get("AFTERGLOW_PRODUCTS", os.getcwd())


def _check(value, place):
    """Says where a number is that JSON does not have; json itself only says that there is one."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("%s is %r, which JSON does not have; give None" % (place or "the result", value))
    if isinstance(value, dict):
        for key, item in value.items():
            _check(item, "%s.%s" % (place, key) if place else str(key))
    elif isinstance(value, (list, tuple)):
        for at, item in enumerate(value):
            _check(item, "%s[%d]" % (place, at))


def _plain(value):
    """Gives what JSON has for values of other libraries."""
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    for method in ("tolist", "item"):
        if callable(getattr(value, method, None)):
            return getattr(value, method)()
    raise TypeError("a result cannot hold %r, which is a %s" % (value, type(value).__name__))
