//! `.gitignore` and `.ignore` files, and exclude globs.

use std::path::Path;

use ignore::{
    Match,
    gitignore::{Gitignore, GitignoreBuilder},
};

use crate::error::TextError;

/// Directories that are ignored without a rule.
const ALWAYS_IGNORED: [&str; 2] = ["node_modules", ".git"];

pub(super) struct Rules {
    /// Rules of the enclosing directories, outermost first; `None` if ignore files are disabled.
    levels: Option<Vec<Gitignore>>,
    exclude: [Gitignore; 2],
}

impl Rules {
    /// The rules for a given path.
    pub(super) fn new(real: &Path, exclude: &[String], ignore: bool) -> Result<Self, TextError> {
        let here = std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
        let exclude = [excluding(real, exclude)?, excluding(&here, exclude)?];
        Ok(Self { levels: ignore.then(|| outer(real)), exclude })
    }

    /// Pushes the rules of a directory.
    pub(super) fn enter(&mut self, dir: &Path) {
        if let Some(levels) = &mut self.levels {
            levels.push(level(dir));
        }
    }

    /// Pops the rules of the directory that was entered last.
    pub(super) fn leave(&mut self) {
        if let Some(levels) = &mut self.levels {
            levels.pop();
        }
    }

    pub(super) fn excludes(&self, path: &Path, is_dir: bool) -> bool {
        self.exclude.iter().any(|globs| globs.matched(path, is_dir).is_ignore())
    }

    pub(super) fn ignores(&self, path: &Path, is_dir: bool) -> bool {
        let Some(levels) = &self.levels else { return false };
        let is_always_ignored =
            is_dir && path.file_name().is_some_and(|name| ALWAYS_IGNORED.iter().any(|ignored| name == *ignored));
        is_always_ignored || ignored(levels, path, is_dir)
    }
}

/// Whether rules ignore a path; rules of inner directories take precedence.
fn ignored(levels: &[Gitignore], path: &Path, is_dir: bool) -> bool {
    let matched = levels.iter().rev().map(|level| level.matched(path, is_dir)).find(|matched| !matched.is_none());
    matches!(matched, Some(Match::Ignore(_)))
}

/// The rules of the parent directories, up to the root of the git repository. Empty if they ignore the directory or all
/// of its contents: a directory that is named explicitly is read.
fn outer(dir: &Path) -> Vec<Gitignore> {
    let Some(depth) = dir.ancestors().position(|above| above.join(".git").exists()) else { return Vec::new() };
    let mut levels: Vec<Gitignore> = dir.ancestors().skip(1).take(depth).map(level).collect();
    levels.reverse();
    let any_file = dir.join("any file, of no kind");
    let names_all =
        ignored(&levels, &any_file, false) || dir.ancestors().take(depth).any(|a| ignored(&levels, a, true));
    if names_all { Vec::new() } else { levels }
}

/// The rules of one directory. Invalid rules are skipped, as in git.
fn level(dir: &Path) -> Gitignore {
    let mut builder = GitignoreBuilder::new(dir);
    for file in [".gitignore", ".ignore"].map(|name| dir.join(name)) {
        if file.is_file() {
            builder.add(file);
        }
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

/// Compiles globs for paths below a directory.
pub(super) fn excluding(dir: &Path, globs: &[String]) -> Result<Gitignore, TextError> {
    let mut builder = GitignoreBuilder::new(dir);
    let failed = |glob: &str, error: ignore::Error| TextError::Glob { glob: glob.into(), reason: error.to_string() };
    for glob in globs {
        let below = glob.strip_prefix("./").unwrap_or(glob);
        builder.add_line(None, below).map_err(|error| failed(glob, error))?;
    }
    builder.build().map_err(|error| failed(&globs.join(", "), error))
}
