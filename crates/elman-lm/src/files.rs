use std::{fs, path::Path};

use crate::error::LmError;

/// Replaces a file atomically: writes a temporary file beside it, syncs and renames it.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), LmError> {
    elman_files::replace(path, bytes).map_err(|source| LmError::Write { path: path.into(), source })
}

/// Creates a directory and its parents.
pub(crate) fn make_dir(path: &Path) -> Result<(), LmError> {
    fs::create_dir_all(path).map_err(|source| LmError::Write { path: path.into(), source })
}

/// Removes temporary files of a process that was killed before it renamed them: `.NAME.XXXXXX`, where NAME has one of
/// our extensions. Files that cannot be removed are ignored.
pub(crate) fn remove_leftovers(folder: &Path) {
    const EXTENSIONS: [&str; 6] = [".safetensors", ".json", ".jsonl", ".md", ".html", ".svg"];
    let leftover = |name: &str| {
        let (file, random) = name.strip_prefix('.')?.rsplit_once('.')?;
        let is_temporary = random.len() == 6 && random.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (is_temporary && EXTENSIONS.iter().any(|ending| file.ends_with(ending))).then_some(())
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| leftover(name).is_some()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Formats bytes as hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_leftover_temporary_files_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let stay = ["model.safetensors", ".git", ".notes.json", ".model.safetensors.backup2", ".a.txt.aB3dE6"];
        let go = [".model.safetensors.aB3dE6", ".train.jsonl.000000", ".step-000000012.safetensors.zzzzzz"];
        for name in stay.iter().chain(&go) {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        remove_leftovers(folder.path());
        assert!(stay.iter().all(|name| folder.path().join(name).exists()));
        assert!(!go.iter().any(|name| folder.path().join(name).exists()));
    }
}
