use std::path::PathBuf;

/// The path of `relative` in the folder of test data, or `None` if it is missing; a line on stderr then reports it.
///
/// The folder is `$ELMAN_SHARED`, by default `shared/` next to the repository. With `ELMAN_REQUIRE_SHARED=1` a missing
/// file fails the test instead of skipping it.
///
/// # Panics
/// If the file is missing and `ELMAN_REQUIRE_SHARED=1`.
pub fn shared(relative: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("ELMAN_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")), PathBuf::from);
    let path = folder.join(relative);
    if path.exists() {
        return Some(path);
    }
    let required = std::env::var_os("ELMAN_REQUIRE_SHARED").is_some_and(|v| v == "1");
    assert!(!required, "test data '{}' is missing and ELMAN_REQUIRE_SHARED=1", path.display());
    eprintln!("skipped: test data '{}' is missing", path.display());
    None
}
