from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from cleaner.catalog.digest import split_of
from cleaner.catalog.scan import doubted, scan
from cleaner.catalog.store import load_catalog, save_catalog
from cleaner.errors import InputError, Stopped
from cleaner.progress import Progress


def _kinds(findings: object) -> set[str]:
    return {finding.kind for finding in findings}  # type: ignore[attr-defined]


def test_a_folder_of_class_folders_becomes_a_catalog(folder) -> None:
    root = folder()
    catalog, findings = scan(root)
    assert findings == ()
    assert catalog.vocab == ("black", "grizzly", "teddy")
    assert len(catalog) == 24
    item = catalog.item(0)
    assert (item.id, item.path, item.label, item.width, item.height) == (
        "black/000.png",
        "black/000.png",
        "black",
        32,
        32,
    )
    assert item.bytes == (root / item.path).stat().st_size


def test_given_splits_are_respected(folder) -> None:
    roots = [folder(classes=("a", "b"), each=2, under=split) for split in ("train", "valid", "test")]
    catalog, _ = scan(roots[0])
    assert catalog.vocab == ("a", "b")
    assert {(item.split, item.path.split("/")[0]) for item in map(catalog.item, range(len(catalog)))} == {
        ("train", "train"),
        ("valid", "valid"),
        ("test", "test"),
    }


def test_the_split_follows_from_content_alone(folder) -> None:
    catalog, _ = scan(folder(each=40))
    again, _ = scan(shutil.copytree(catalog.root, catalog.root.with_name("elsewhere")))
    assert list(catalog.splits) == list(again.splits) == [split_of(digest) for digest in catalog.digests]
    assert 0.1 < catalog.held_out().mean() < 0.3


def test_damaged_files_become_findings_and_are_not_in_the_way(folder) -> None:
    root = folder()
    (root / "black" / "empty.jpg").touch()
    (root / "black" / "page.jpg").write_text("<html>")
    whole = (root / "black" / "000.png").read_bytes()
    (root / "black" / "cut.png").write_bytes(whole[:-400])
    (root / "stray.png").write_bytes(whole)
    (root / "black" / "link.png").symlink_to(root / "grizzly" / "000.png")
    catalog, findings = scan(root)
    assert len(catalog) == 24
    assert {(f.item, f.kind) for f in findings} == {
        ("black/empty.jpg", "empty"),
        ("black/page.jpg", "not an image"),
        ("black/cut.png", "truncated"),
        ("black/link.png", "link"),
        ("stray.png", "no label"),
    }


def test_hidden_files_and_folders_are_ignored(folder) -> None:
    root = folder()
    (root / ".cleaner" / "trash").mkdir(parents=True)
    shutil.copy(root / "black" / "000.png", root / ".cleaner" / "trash" / "000.png")
    (root / "black" / ".DS_Store").touch()
    catalog, findings = scan(root)
    assert (len(catalog), findings) == (24, ())


def test_content_counts_not_the_suffix(folder) -> None:
    root = folder()
    Image.new("RGB", (9, 9)).save(root / "black" / "photo.jpg;w=960", format="JPEG")
    assert "black/photo.jpg;w=960" in set(scan(root)[0].ids)


def test_names_in_any_script_are_kept(folder) -> None:
    root = folder()
    names = ["новый год.png", "クマ.png", "a\nb.png", "🐻.png", "<b>&.png", "‮rtl.png", "x" * 200 + ".png"]
    for number, name in enumerate(names):
        shutil.copy(root / "black" / f"{number:03d}.png", root / "black" / name)
    catalog, findings = scan(root)
    findings = tuple(finding for finding in findings if finding.kind != "duplicate")
    assert {f"black/{name}" for name in names} <= set(catalog.ids)
    assert findings == ()


def test_a_name_that_is_no_text_is_a_finding(folder) -> None:
    root = folder()
    target = os.path.join(os.fsencode(root), b"black", b"bad\xff.png")  # noqa: PTH118  bytes on purpose
    shutil.copy(root / "black" / "000.png", target)
    catalog, findings = scan(root)
    assert len(catalog) == 24
    assert _kinds(findings) == {"odd name"}


def test_the_same_picture_under_two_labels_comes_first(folder) -> None:
    root = folder()
    shutil.copy(root / "black" / "000.png", root / "teddy" / "copy.png")
    shutil.copy(root / "black" / "001.png", root / "black" / "copy.png")
    (root / "black" / "empty.jpg").touch()
    _, findings = scan(root)
    assert [f.kind for f in findings] == [
        "conflicting duplicate",
        "conflicting duplicate",
        "empty",
        "duplicate",
        "duplicate",
    ]
    assert "black and teddy" in findings[0].detail


def test_an_abnormal_share_of_failures_is_itself_reported(folder) -> None:
    root = folder()
    for number in range(20):
        (root / "black" / f"broken{number}.jpg").touch()
    _, findings = scan(root)
    assert findings[0].kind == "abnormal failures"


def test_a_second_scan_reads_only_what_is_new(folder) -> None:
    root = folder()
    first, _ = scan(root)
    calls: list[Progress] = []
    victim = root / "black" / "000.png"
    stat = victim.stat()
    victim.write_bytes(b"x" * stat.st_size)
    os.utime(victim, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # same size and time: not read again
    again, findings = scan(root, known=first, report=calls.append)
    assert again.digest() == first.digest()
    assert findings == ()
    assert calls[-1].done == calls[-1].total == 24


def test_doubted_files_are_read_again_if_their_bytes_are_others_and_all_that_look_like_them(folder) -> None:
    root = folder()
    twin, victim, vanished = (root / "black" / f"00{number}.png" for number in range(3))
    twin.write_bytes(victim.read_bytes()[:-1] + b"x")
    for file in (twin, victim):
        os.utime(file, ns=(1, 1))
    first, _ = scan(root)
    victim.write_bytes(b"x" * victim.stat().st_size)
    os.utime(victim, ns=(1, 1))
    vanished.unlink()
    again = doubted(first, ["black/001.png", "black/002.png", "grizzly/000.png", "no/image.png"])
    read = set(first.ids[again.mtimes != first.mtimes])
    assert read == {"black/000.png", "black/001.png"}
    assert "black/001.png" not in scan(root, known=again)[0].positions()


def test_a_file_that_a_person_moved_keeps_its_id(folder) -> None:
    root = folder()
    first, _ = scan(root)
    (root / "black" / "000.png").rename(root / "teddy" / "moved.png")
    catalog, _ = scan(root, known=first)
    item = catalog.item(catalog.positions()["black/000.png"])
    assert (item.path, item.label) == ("teddy/moved.png", "teddy")


def test_a_file_that_the_program_moved_keeps_its_id_and_a_newcomer_gets_another(folder) -> None:
    root = folder()
    first, _ = scan(root)
    (root / "black" / "000.png").rename(root / "teddy" / "000-2.png")
    Image.new("RGB", (7, 7)).save(root / "black" / "000.png")
    catalog, _ = scan(root, known=first, moved={"black/000.png": "teddy/000-2.png"})
    rows = catalog.positions()
    assert catalog.paths[rows["black/000.png"]] == "teddy/000-2.png"
    assert catalog.paths[rows["black/000.png#2"]] == "black/000.png"


def test_what_lies_in_the_trash_gives_its_id_to_nobody(folder) -> None:
    root = folder()
    first, _ = scan(root)
    (root / "black" / "000.png").unlink()
    Image.new("RGB", (7, 7)).save(root / "black" / "000.png")
    catalog, _ = scan(root, known=first, moved={"black/000.png": ".cleaner/trash/1/black/000.png"})
    assert "black/000.png" not in set(catalog.ids)
    assert catalog.paths[catalog.positions()["black/000.png#2"]] == "black/000.png"


def test_an_emptied_class_stays_a_class(folder) -> None:
    root = folder()
    (root / "other").mkdir()
    assert "other" in scan(root)[0].vocab


@pytest.mark.parametrize("make", ["missing", "empty", "file", "loose"])
def test_what_is_no_dataset_is_refused_in_a_sentence(tmp_path: Path, make: str) -> None:
    root = tmp_path / "x"
    if make == "empty":
        root.mkdir()
    if make == "loose":
        root.mkdir()
        Image.new("RGB", (9, 9)).save(root / "a.png")
    if make == "file":
        root.touch()
    with pytest.raises(InputError, match=str(root)):
        scan(root)


def test_a_check_can_be_stopped(folder) -> None:
    with pytest.raises(Stopped):
        scan(folder(), stopped=lambda: True)


def test_a_catalog_comes_back_from_disk_as_it_was(folder, tmp_path: Path) -> None:
    root = folder()
    (root / "black" / "empty.jpg").touch()
    catalog, findings = scan(root)
    save_catalog(catalog, findings, tmp_path / "catalog.npz")
    loaded = load_catalog(tmp_path / "catalog.npz", root=root)
    assert loaded is not None
    assert loaded[0].digest() == catalog.digest()
    assert loaded[0].item(3) == catalog.item(3)
    assert loaded[1] == findings
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"\x80\x04."])
def test_a_damaged_catalog_file_is_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "catalog.npz").write_bytes(content)
    assert load_catalog(tmp_path / "catalog.npz", root=tmp_path) is None


def test_a_linked_class_folder_is_reported(folder) -> None:
    root = folder()
    (root / "more").symlink_to(root / "black")
    catalog, findings = scan(root)
    assert [(f.item, f.kind) for f in findings] == [("more", "link")]
    assert "more" not in catalog.vocab


def test_a_folder_that_may_not_be_read_is_reported_and_the_rest_is_taken(folder, monkeypatch) -> None:
    root = folder()
    real = os.scandir

    def closed(path):
        if str(path).endswith("grizzly"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    catalog, findings = scan(root)
    assert [(f.item, f.kind) for f in findings] == [("grizzly", "closed folder")]
    assert len(catalog) == 16


def test_a_folder_beside_train_and_valid_is_no_class_but_a_finding(folder) -> None:
    for split in ("train", "valid"):
        root = folder(classes=("a", "b"), each=2, under=split)
    folder(classes=("models",), each=1)
    catalog, findings = scan(root)
    assert catalog.vocab == ("a", "b")
    assert (findings[0].item, findings[0].kind) == ("models/000.png", "no split")


def test_a_folder_too_far_up_is_asked_about(folder) -> None:
    photos = folder(each=4)
    (photos / "other").mkdir()
    (photos / "other" / "000.png").write_bytes((photos / "black" / "000.png").read_bytes())
    (photos / "teddy" / "young").mkdir()
    (photos / "teddy" / "000.png").rename(photos / "teddy" / "young" / "000.png")
    assert "folder of folders" not in _kinds(scan(photos)[1])  # one folder below a class is no sign
    (photos.parent / "more").mkdir()
    catalog, findings = scan(photos.parent)
    (found,) = (finding for finding in findings if finding.kind == "folder of folders")
    assert found.item == "photos"
    assert found.detail.endswith(
        f"own (black, grizzly, other and 1 more): if these are the classes, open {photos} instead."
    )
    assert catalog.vocab == ("more", "photos")


def test_class_folders_that_are_all_empty_are_refused_at_first_only(folder) -> None:
    root = folder(classes=("black", "teddy"), each=1)
    known, _ = scan(root)
    for file in root.rglob("*.png"):
        file.unlink()
    with pytest.raises(InputError, match="no files in the folders of"):
        scan(root)
    assert len(scan(root, known=known)[0]) == 0


def test_a_class_emptied_below_its_subfolders_stays_a_class(folder) -> None:
    root = folder()
    (root / "other" / "deep").mkdir(parents=True)
    (root / "other" / ".DS_Store").touch()
    assert "other" in scan(root)[0].vocab


def test_a_folder_of_text_files_is_no_class(folder) -> None:
    root = folder()
    (root / "notes").mkdir()
    (root / "notes" / "read me.txt").write_text("hello")
    assert "notes" not in scan(root)[0].vocab


def test_a_thousand_equal_files_are_told_in_short_sentences(folder) -> None:
    root = folder()
    content = (root / "black" / "000.png").read_bytes()
    for number in range(300):
        (root / "teddy" / f"same{number}.png").write_bytes(content)
    _, findings = scan(root)
    assert len(findings) == 301
    assert max(len(f.detail) for f in findings) < 300
    assert "and 297 more" in findings[0].detail
