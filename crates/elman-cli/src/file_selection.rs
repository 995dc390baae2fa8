//! The options that select files in directories, and reports about the files that were skipped.

use std::collections::BTreeMap;

use clap::Args;
use elman::text::{Find, LeftOut, Reason, TextError};
use serde::Serialize;

use crate::{error::CliError, output};

/// Which files in directories are read.
#[derive(Args, Debug)]
#[command(next_help_heading = "Files in directories")]
pub struct FileSelection {
    /// Skip files and directories that match a pattern, as in a .gitignore: '*.log', 'drafts/', 'data/*.csv'; may be
    /// repeated
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,

    /// Do not respect .gitignore and .ignore files, and read node_modules
    #[arg(long)]
    no_ignore: bool,

    /// Read hidden files, whose names start with a dot
    #[arg(long)]
    hidden_files: bool,

    /// List each skipped file
    #[arg(long, short)]
    verbose: bool,
}

impl FileSelection {
    /// The file finder with these options.
    pub fn finder(&self) -> Result<Find, TextError> {
        Find::new().with_hidden(self.hidden_files).with_ignore(!self.no_ignore).with_exclude(&self.exclude)
    }

    /// Lists skipped files, with `--verbose`.
    pub fn report_skipped<'a>(&self, skipped: impl IntoIterator<Item = &'a LeftOut>) {
        for file in skipped.into_iter().filter(|_| self.verbose) {
            output::notice(format_args!("skipped: '{}' ({})", file.path.display(), file.reason));
        }
    }

    /// Reports skipped files: their number, a list with `--verbose`, and a list of unreadable files.
    ///
    /// # Errors
    /// If files could not be read; the caller returns this after everything else is done.
    pub fn report_all<'a>(&self, skipped: impl IntoIterator<Item = &'a LeftOut>) -> Result<(), CliError> {
        let (failed, skipped): (Vec<_>, Vec<_>) = skipped.into_iter().partition(|file| file.reason.is_failure());
        self.report_skipped(skipped.iter().copied());
        summary(skipped).iter().for_each(|summary| output::notice(format_args!("note: {summary}")));
        report_unreadable(failed.iter().map(|LeftOut { path, reason }| format!("'{}' {reason}", path.display())));
        check_complete(failed.len())
    }

    /// Skipped files for JSON, with `--verbose`.
    pub fn skipped_files(&self, skipped: &[LeftOut]) -> Option<Vec<SkippedFile>> {
        let file =
            |file: &LeftOut| SkippedFile { file: file.path.to_string_lossy().into_owned(), reason: file.reason.name() };
        self.verbose.then(|| skipped.iter().map(file).collect())
    }
}

/// A skipped file and the reason.
#[derive(Serialize)]
pub struct SkippedFile {
    file: String,
    reason: &'static str,
}

/// Maximum number of files written by elman that a summary lists.
const MAX_OWN: usize = 3;

/// Maximum number of unreadable files that are listed.
const MAX_UNREADABLE: usize = 10;

/// Lists the first unreadable files.
pub fn report_unreadable(failed: impl ExactSizeIterator<Item = String>) {
    let more = failed.len().saturating_sub(MAX_UNREADABLE);
    failed.take(MAX_UNREADABLE).for_each(|failed| output::notice(format_args!("note: skipped: {failed}")));
    if more > 0 {
        output::notice(format_args!("note: skipped: {more} more files"));
    }
}

/// An error if files could not be read.
pub fn check_complete(failed: usize) -> Result<(), CliError> {
    match failed {
        0 => Ok(()),
        count => Err(CliError::LeftOut { count }),
    }
}

/// The number of skipped files by reason.
pub fn counts<'a>(skipped: impl IntoIterator<Item = &'a LeftOut>) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    skipped.into_iter().for_each(|file| *counts.entry(file.reason.name()).or_default() += 1);
    counts
}

/// A one-line summary of skipped files. Lists some of those that elman wrote, since they look like texts and tables.
pub fn summary<'a>(skipped: impl IntoIterator<Item = &'a LeftOut>) -> Option<String> {
    let skipped: Vec<&LeftOut> = skipped.into_iter().collect();
    let counts: Vec<String> =
        counts(skipped.iter().copied()).iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let is_own = |file: &&&LeftOut| matches!(file.reason, Reason::Own);
    let own: Vec<String> = skipped.iter().filter(is_own).map(|own| format!("'{}'", own.path.display())).collect();
    let listed = match own.len() {
        0 => String::new(),
        count if count > MAX_OWN => format!("; written by elman: {}, …", own[..MAX_OWN].join(", ")),
        _ => format!("; written by elman: {}", own.join(", ")),
    };
    (!counts.is_empty()).then(|| format!("{} skipped ({}){listed}", skipped.len(), counts.join(", ")))
}
