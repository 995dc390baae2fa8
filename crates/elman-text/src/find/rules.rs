//! `.gitignore` and `.ignore` files, and globs of the command line.

use std::path::Path;

use ignore::{
    Match,
    gitignore::{Gitignore, GitignoreBuilder},
};

use crate::error::TextError;

/// Folders that hold what others have written, and are left out without a rule.
const OTHERS: [&str; 2] = ["node_modules", ".git"];

pub(super) struct Rules {
    /// Of the folders above and on the way, the outermost first; none where they do not count.
    levels: Option<Vec<Gitignore>>,
    exclude: [Gitignore; 2],
}

impl Rules {
    /// The rules for a path that was given.
    pub(super) fn new(real: &Path, exclude: &[String], ignore: bool) -> Result<Self, TextError> {
        let here = std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
        let exclude = [excluding(real, exclude)?, excluding(&here, exclude)?];
        Ok(Self { levels: ignore.then(|| outer(real)), exclude })
    }

    /// Adds the rules of a folder.
    pub(super) fn enter(&mut self, folder: &Path) {
        if let Some(levels) = &mut self.levels {
            levels.push(level(folder));
        }
    }

    /// Drops the rules of the folder that was entered last.
    pub(super) fn leave(&mut self) {
        if let Some(levels) = &mut self.levels {
            levels.pop();
        }
    }

    pub(super) fn excludes(&self, path: &Path, is_folder: bool) -> bool {
        self.exclude.iter().any(|globs| globs.matched(path, is_folder).is_ignore())
    }

    pub(super) fn ignores(&self, path: &Path, is_folder: bool) -> bool {
        let Some(levels) = &self.levels else { return false };
        let is_others = is_folder && path.file_name().is_some_and(|name| OTHERS.iter().any(|other| name == *other));
        is_others || ignored(levels, path, is_folder)
    }
}

/// Whether rules name a path; those of inner folders count more.
fn ignored(levels: &[Gitignore], path: &Path, is_folder: bool) -> bool {
    let matched = levels.iter().rev().map(|level| level.matched(path, is_folder)).find(|matched| !matched.is_none());
    matches!(matched, Some(Match::Ignore(_)))
}

/// The rules of the folders above one, up to its git repository's. None where they name the folder, or all that is in it: who
/// gives it wants it read.
fn outer(folder: &Path) -> Vec<Gitignore> {
    let Some(depth) = folder.ancestors().position(|above| above.join(".git").exists()) else { return Vec::new() };
    let mut levels: Vec<Gitignore> = folder.ancestors().skip(1).take(depth).map(level).collect();
    levels.reverse();
    let any_file = folder.join("any file, of no kind");
    let names_all =
        ignored(&levels, &any_file, false) || folder.ancestors().take(depth).any(|a| ignored(&levels, a, true));
    if names_all { Vec::new() } else { levels }
}

/// The rules of one folder. What is no rule is passed over, as git does.
fn level(folder: &Path) -> Gitignore {
    let mut builder = GitignoreBuilder::new(folder);
    for file in [".gitignore", ".ignore"].map(|name| folder.join(name)) {
        if file.is_file() {
            builder.add(file);
        }
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

/// Globs, for paths below a folder.
pub(super) fn excluding(folder: &Path, globs: &[String]) -> Result<Gitignore, TextError> {
    let mut builder = GitignoreBuilder::new(folder);
    let failed = |glob: &str, error: ignore::Error| TextError::Glob { glob: glob.into(), reason: error.to_string() };
    for glob in globs {
        let below = glob.strip_prefix("./").unwrap_or(glob);
        builder.add_line(None, below).map_err(|error| failed(glob, error))?;
    }
    builder.build().map_err(|error| failed(&globs.join(", "), error))
}
