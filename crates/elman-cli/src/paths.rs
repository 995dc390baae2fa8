//! Paths as strings, for ids and metadata.

use std::path::{MAIN_SEPARATOR, Path, PathBuf};

/// Encodes a path as a string; on Unix without collisions. There, in a name that is not UTF-8, an invalid byte becomes
/// `\xE9`, and a backslash is doubled.
pub fn to_text(path: &Path) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;

        let parts = path.as_os_str().as_bytes().split(|byte| *byte == b'/');
        parts.map(escaped).collect::<Vec<_>>().join("/")
    }
    #[cfg(not(unix))]
    path.to_string_lossy().into_owned()
}

#[cfg(unix)]
fn escaped(name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        // a name that contains an escape sequence is escaped itself
        Ok(name) if !name.contains("\\x") => name.into(),
        _ => name.utf8_chunks().fold(String::new(), |text, chunk| {
            let invalid: String = chunk.invalid().iter().map(|byte| format!("\\x{byte:02X}")).collect();
            text + &chunk.valid().replace('\\', "\\\\") + &invalid
        }),
    }
}

/// Decodes a path that [`to_text`] encoded.
pub fn from_text(text: &str) -> PathBuf {
    #[cfg(unix)]
    {
        use std::{ffi::OsString, os::unix::ffi::OsStringExt};

        let parts = text.split('/').map(|part| unescaped(part).unwrap_or_else(|| part.into()));
        OsString::from_vec(parts.collect::<Vec<_>>().join(&b'/')).into()
    }
    #[cfg(not(unix))]
    text.into()
}

#[cfg(unix)]
fn unescaped(part: &str) -> Option<Vec<u8>> {
    if !part.contains("\\x") {
        return None;
    }
    let (mut bytes, mut rest) = (Vec::new(), part);
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend(before.bytes());
        let (byte, length) = match after.strip_prefix('x') {
            Some(digits) => (u8::from_str_radix(digits.get(..2)?, 16).ok()?, 3),
            None => (after.bytes().next().filter(|byte| *byte == b'\\')?, 1),
        };
        bytes.push(byte);
        rest = &after[length..];
    }
    bytes.extend(rest.bytes());
    Some(bytes)
}

/// The prefix of all paths in a directory: its path with a separator at the end.
pub fn prefix(directory: &str) -> String {
    let end = if directory.ends_with(MAIN_SEPARATOR) { "" } else { std::path::MAIN_SEPARATOR_STR };
    format!("{directory}{end}")
}

/// An exclusive upper bound of all paths with this [`prefix`], in string order.
pub fn after(prefix: &str) -> String {
    prefix.trim_end_matches(MAIN_SEPARATOR).to_owned() + &char::from(MAIN_SEPARATOR as u8 + 1).to_string()
}

#[cfg(all(test, unix))]
mod tests {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    use super::*;

    #[test]
    fn paths_are_encoded_without_collisions_and_decoded() {
        let names: [(&[u8], &str); 6] = [
            (b"notes/caf\xe9.txt", "notes/caf\\xE9.txt"),
            (b"notes/caf\xe8.txt", "notes/caf\\xE8.txt"),
            (b"notes/caf\\xE8.txt", "notes/caf\\\\xE8.txt"),
            (b"a\\b/c\\\xff", "a\\b/c\\\\\\xFF"),
            ("/\u{e9}/\\\\".as_bytes(), "/\u{e9}/\\\\"),
            (b"./a/", "./a/"),
        ];
        for (bytes, text) in names {
            let path = Path::new(OsStr::from_bytes(bytes));
            assert_eq!(to_text(path), text);
            assert_eq!(from_text(text).as_os_str(), path.as_os_str());
        }
        assert_eq!(from_text("a\\xZZ"), Path::new("a\\xZZ"), "not an encoded path");
        assert_eq!((prefix("/").as_str(), prefix("a").as_str(), after("a/").as_str()), ("/", "a/", "a0"));
    }
}
