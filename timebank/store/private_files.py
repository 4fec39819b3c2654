"""Files with secrets, made by root in somebody's home: they are theirs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def give_to_owner_of_home(folder: Path, path: Path) -> None:
    """When root makes something in a folder of somebody's home, it is theirs: the server runs as them."""
    if os.geteuid() != 0:
        return
    home = folder.parent.stat()
    for place in (folder, path):
        os.chown(place, home.st_uid, home.st_gid)
