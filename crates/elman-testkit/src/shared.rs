use std::path::PathBuf;

/// The path of `relative` in the folder of test data, or `None` (and a line that says so) where it is absent.
///
/// The folder is `$ELMAN_SHARED`, else `shared/` beside the repository. With `ELMAN_REQUIRE_SHARED=1` an absent file
/// fails the test instead of skipping it.
///
/// # Panics
/// If the file is absent and `ELMAN_REQUIRE_SHARED=1`.
pub fn shared(relative: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("ELMAN_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")), PathBuf::from);
    let path = folder.join(relative);
    if path.exists() {
        return Some(path);
    }
    let required = std::env::var_os("ELMAN_REQUIRE_SHARED").is_some_and(|v| v == "1");
    assert!(!required, "test data '{}' is absent and ELMAN_REQUIRE_SHARED=1", path.display());
    eprintln!("skipped: test data '{}' is absent", path.display());
    None
}
