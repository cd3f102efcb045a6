"""Pictures of a project's images by their id, wherever the files lie now. Threads may ask at any time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cleaner.catalog.digest import digest_of
from cleaner.catalog.fullsize import full_size
from cleaner.catalog.thumbnails import thumbnail
from cleaner.errors import UnreadableImage
from cleaner.types import Catalog


class Pictures:
    """Finds the file of an id and keeps its thumbnail under the content it really has."""

    def __init__(self, cache: Path, *, location: Callable[[str], str | None]) -> None:
        self._cache, self._location = cache, location
        self._index: tuple[Catalog, dict[str, int]] | None = None

    def of(self, identity: str, *, catalog: Catalog) -> bytes:
        """Return a small JPEG of an image, also of one in the trash. Raises UnreadableImage."""
        row = self._rows(catalog).get(identity)
        place = self._place(identity, catalog=catalog)
        path = catalog.root / place
        try:
            digest = str(catalog.digests[row]) if _as_checked(path, catalog, row) else digest_of(path)
        except OSError as error:
            raise UnreadableImage(
                f"{place} can't be read ({error.strerror}); check the folder again."
            ) from error
        return thumbnail(path, digest=digest, cache=self._cache)

    def full(self, identity: str, *, catalog: Catalog) -> bytes:
        """Return a whole image for the browser, also one in the trash. Raises UnreadableImage."""
        return full_size(catalog.root / self._place(identity, catalog=catalog))

    def _place(self, identity: str, *, catalog: Catalog) -> str:
        row = self._rows(catalog).get(identity)
        place = catalog.paths[row] if row is not None else self._location(identity)
        if place is None:
            raise UnreadableImage(f"{identity} is no longer in the dataset.")
        return str(place)

    def _rows(self, catalog: Catalog) -> dict[str, int]:
        index = self._index
        if index is None or index[0] is not catalog:
            index = self._index = (catalog, catalog.positions())  # as one: another check may end meanwhile
        return index[1]


def _as_checked(path: Path, catalog: Catalog, row: int | None) -> bool:
    """Say whether a file is as it was when it was checked, going by size and time. Raises OSError."""
    now = path.stat()
    if row is None:
        return False
    return (now.st_size, now.st_mtime_ns) == (int(catalog.bytes[row]), int(catalog.mtimes[row]))
