//! The one `unsafe` of this crate: mapping a file into memory.
#![allow(unsafe_code)]

use std::{fs::File, io};

use memmap2::Mmap;

/// Maps a file read-only. An empty file gives an empty map.
pub(crate) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is only read. Another process that shortens the file while it is mapped can end this one with
    // SIGBUS, as with every program that maps files; one that rewrites bytes changes what is read next, and every piece
    // is checked to be UTF-8 each time it is handed out, so no invalid `str` is made from bytes that are stable during
    // that call.
    unsafe { Mmap::map(file) }
}
