"""Values as Grafana would write them, for the units that our dashboards use."""

import math

_SCALED = {
    # unit -> suffixes of each step, the step
    "bytes": (("B", "KiB", "MiB", "GiB", "TiB"), 1024),
    "decbytes": (("B", "kB", "MB", "GB", "TB"), 1000),
    "Bps": (("B/s", "kB/s", "MB/s", "GB/s"), 1000),
    "binBps": (("B/s", "KiB/s", "MiB/s", "GiB/s"), 1024),
    "short": (("", "K", "Mil", "Bil"), 1000),
}
_SUFFIX = {"reqps": " req/s", "ops": " ops/s", "cps": " c/s", "percent": "%", "none": "", "cores": ""}
_TIMES = ((86400 * 7, "weeks"), (86400, "days"), (3600, "hours"), (60, "mins"), (1, "s"), (1e-3, "ms"), (1e-6, "µs"))


def written(value: float, unit: str) -> str:
    """`value` in `unit` (Grafana's name of it), three digits or so."""
    if math.isnan(value):
        return "-"
    if unit in _SCALED:
        return _scaled(value, *_SCALED[unit])
    match unit:
        case "percentunit":
            return f"{_digits(value * 100)}%"
        case "s" | "ms":
            return _time(value if unit == "s" else value / 1000)
        case "bool_yes_no":
            return "Yes" if value else "No"
        case _:
            return _digits(value) + _SUFFIX.get(unit, f" {unit}")


def _scaled(value: float, suffixes: tuple[str, ...], step: int) -> str:
    for suffix in suffixes[:-1]:
        if abs(value) < step:
            return f"{_digits(value)} {suffix}".rstrip()
        value /= step
    return f"{_digits(value)} {suffixes[-1]}"


def _time(seconds: float) -> str:
    for size, name in _TIMES:
        if abs(seconds) >= size:
            return f"{_digits(seconds / size)} {name}"
    return "0 s"


def _digits(value: float) -> str:
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"
