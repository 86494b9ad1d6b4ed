"""Writes the config drive: a small ISO 9660 volume named ``config-2`` (Joliet and Rock Ridge) with OpenStack's metadata.

It does not decide what the metadata says: ``metadata/documents.py`` does.
"""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path, PurePosixPath


def write_config_drive(path: Path, documents: Mapping[str, bytes]) -> None:
    """Write the volume to the new file `path`; keys of `documents` are paths in it. Takes some 10 ms, so call it in a thread."""
    import pycdlib  # 40 ms and some MiB that a host without config drives need not pay

    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="config-2", sys_ident="LINUX")
    short_names = {PurePosixPath("."): ""}
    for number, (name, body) in enumerate(sorted(documents.items())):
        file = PurePosixPath(name)
        for folder in reversed(file.parents[:-1]):
            if folder not in short_names:
                short_names[folder] = f"{short_names[folder.parent]}/D{len(short_names)}"
                iso.add_directory(short_names[folder], rr_name=folder.name, joliet_path=f"/{folder}")
        short_name = f"{short_names[file.parent]}/F{number}.;1"
        iso.add_fp(BytesIO(body), len(body), short_name, rr_name=file.name, joliet_path=f"/{file}")
    with path.open("xb") as out:
        iso.write_fp(out)
    iso.close()
