"""Every kind of finding, with what it means and what to do: the one list for all who show findings."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

KINDS: Mapping[str, str] = MappingProxyType(
    {
        # files that are not in the catalog
        "empty": "The file has 0 bytes. Copy it again from where it came from.",
        "not an image": "The file is of another kind, whatever its name says: a web page, a text, a drawing.",
        "truncated": "The file ends before the picture does, as after a broken download. Copy it again.",
        "damaged": "The file begins like an image, but its data make no sense.",
        "too many pixels": "Its header announces more pixels than are safe to open. Make it smaller.",
        "too much memory": "Opening it takes more memory than one picture may. Save it in a simpler format.",
        "too slow": "Decoding was given up after a while. Such a file would hang a training. Save it anew.",
        "decoder crashed": "The file ends the program that opens it. Remove it or save it anew.",
        "unreadable": "The disk would not give the file: no permission, gone meanwhile, or a fault.",
        "abnormal failures": "So many files failed that disk or network are more likely at fault than they.",
        "closed folder": "The folder may not be read, and nothing in it was checked.",
        "not a file": "It is something else than a file: a pipe, a socket, a device.",
        "link": "It points to a file elsewhere and was left out. Put the file itself into the dataset.",
        "odd name": "The name is not valid text. Rename the file.",
        "no label": "It lies outside the class folders, or the table gives it no label.",
        "no split": "It lies beside the folders train, valid and test. Move it into one of them.",
        "folder of folders": "The class holds folders of images: they may be the classes that you mean.",
        # what a table says of its files
        "columns": "Which columns of the table were taken for what.",
        "no path": "A row of the table names no file.",
        "outside": "The table names a file outside the folder of the project, which is not taken.",
        "missing": "The table names a file that is not there.",
        "listed twice": "The table names the file twice; under two labels, at least one of them is wrong.",
        # the same twice
        "conflicting duplicate": "The same file under two labels: at least one of them is wrong.",
        "leak": "The same file on both sides of the split: the result on the held-out images is too good.",
        "duplicate": "The same file, or the same pixels, twice under one label. One is enough.",
        "conflicting near duplicate": "Nearly the same picture under two labels: one of them is wrong.",
        "near duplicate leak": "Nearly the same picture on both sides of the split.",
        "near duplicate": "Nearly the same picture twice: cut, turned, resized or saved anew.",
        "conflicting lookalike": "To the model nearly the same picture, under two labels.",
        "lookalike leak": "To the model nearly the same picture, on both sides of the split.",
        "lookalike": "To the model nearly the same picture: another one of a series, perhaps.",
        "not compared": "There are too many images to compare each with each other; equal files are found.",
        # what a model adds
        "outlier": "It looks like no other image here: it may not belong.",
        # how the picture looks
        "dark": "Nearly all of the picture is dark.",
        "light": "Nearly all of the picture is white.",
        "blurry": "The picture has no sharp edges.",
        "low information": "The picture has hardly more than one tone: an empty frame, a placeholder.",
        "grey among colour": "A grey picture in a class of coloured ones: the model may learn that.",
        "too small": "The picture is far smaller than the others, or a few pixels wide.",
        "too large": "The picture is far larger than the others: a scan or a collage, perhaps.",
        "odd aspect ratio": "The picture is very long or very tall, and is squeezed when it is learned from.",
        # how the file is made; all of these are used as they are
        "animation": "The file holds several pictures, an animation or pages. The first one is used.",
        "odd mode": "The pixels are of another kind than in the other files. They are converted.",
        "wrong extension": "The name says another kind of image than it is. Other programs may fail.",
        "usual here": "So many images share an oddity that it is none; they are not listed one by one.",
    }
)
