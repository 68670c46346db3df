"""Where pulled models lie."""

import os
from pathlib import Path

from platformdirs import user_data_path

from lipwright.errors import BackendError
from lipwright.models.catalog import card


class ModelStore:
    """A folder of published models in their published tree."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(os.environ.get("LIPWRIGHT_MODELS") or user_data_path("lipwright") / "models")

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        return (self.folder / card(name).folder / card(name).file).is_file()

    def path(self, name: str) -> Path:
        """The file.

        Raises:
            BackendError: it is not there.
        """
        if not self.has(name):
            raise BackendError(f"{card(name).file} is not in {self.folder}; run `lipwright models pull {name}`")
        return self.folder / card(name).folder / card(name).file
