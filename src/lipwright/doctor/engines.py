"""Which engine can run here, what it lacks, and whether the devices that ONNX Runtime offers really work."""

from importlib.util import find_spec

from lipwright.doctor.finding import Finding, told
from lipwright.errors import BackendError


def engine(name: str) -> Finding:
    """Whether an engine can run: its published models are there and open, and what converts them is installed."""
    from lipwright.models.catalog import card
    from lipwright.pipeline.engines import ENGINES
    from lipwright.runtime import Models

    needed, models = ENGINES[name].models, Models(device="cpu")
    if not needed:
        return Finding(detail="ready: everything it needs ships with the package")
    missing = [each for each in needed if not models.has(each)]
    if missing:
        files = ", ".join(card(each).file for each in missing)
        return Finding(
            detail=f"not set up, not needed for the native engine; not in {models.store.folder}: {files}; "
            f"`lipwright models pull {' '.join(missing)}` fetches them"
        )
    try:
        models.prepare(needed)
    except BackendError as exc:
        return told(exc, "warn")
    seconds = sum(models.opened(each).warm_up for each in needed)
    return Finding(detail=f"ready: {', '.join(needed)} opened and run, first runs {seconds:.1f} s")


def converters() -> Finding:
    """Whether checkpoints can be converted."""
    missing = [name for name in ("torch", "onnx") if find_spec(name) is None]
    if missing:
        return Finding(
            detail=f"{', '.join(missing)} not installed, needed once to convert published checkpoints; "
            "pip install 'lipwright[heygem]' adds them"
        )
    return Finding(detail="PyTorch and onnx are there: published checkpoints can be converted")


def device(name: str) -> Finding:
    """Open a session on a device, run it, and compare with the CPU."""
    from lipwright.runtime.devices import DEVICES, offered, probe

    provider = offered(name)
    if provider is None:
        return Finding(detail=f"this ONNX Runtime does not offer it; {DEVICES[name].package} does")
    wrong = probe(provider)
    if wrong is None:
        return Finding(detail=f"{provider} ran a network and said what the CPU says")
    return Finding(
        status="warn", detail=wrong, remedy=f"check the driver and its libraries; until then --device {name} is refused"
    )
