//! The options that say which files of folders are read, and what is reported of the others.

use std::collections::BTreeMap;

use clap::Args;
use elman::text::{Find, LeftOut, Reason, TextError};
use serde::Serialize;

use crate::{error::CliError, output};

/// Which files of folders are read.
#[derive(Args, Debug)]
#[command(next_help_heading = "Files of folders")]
pub struct Finding {
    /// Leave out files and folders of this name or path, as in a .gitignore: '*.log', 'drafts/', 'data/*.csv'; may be given
    /// more than once
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,

    /// Read what .gitignore and .ignore files name, and node_modules
    #[arg(long)]
    no_ignore: bool,

    /// Read hidden files, whose names begin with a dot
    #[arg(long)]
    hidden_files: bool,

    /// Name each file that is passed over
    #[arg(long, short)]
    verbose: bool,
}

impl Finding {
    /// How files are found.
    pub fn find(&self) -> Result<Find, TextError> {
        Find::new().with_hidden(self.hidden_files).with_ignore(!self.no_ignore).with_exclude(&self.exclude)
    }

    /// Names what was passed over, if asked to.
    pub fn tell<'a>(&self, left_out: impl IntoIterator<Item = &'a LeftOut>) {
        for left_out in left_out.into_iter().filter(|_| self.verbose) {
            output::notice(format_args!("passed over: '{}' ({})", left_out.path.display(), left_out.reason));
        }
    }

    /// Tells what was passed over, if something was: how many, and names if asked to. What could not be read is named, and is
    /// what the answer is for the end, when all else is done.
    pub fn tell_all<'a>(&self, left_out: impl IntoIterator<Item = &'a LeftOut>) -> Result<(), CliError> {
        let (failed, passed): (Vec<_>, Vec<_>) =
            left_out.into_iter().partition(|left_out| left_out.reason.is_failure());
        self.tell(passed.iter().copied());
        summary(passed).iter().for_each(|summary| output::notice(format_args!("note: {summary}")));
        name(failed.iter().map(|LeftOut { path, reason }| format!("'{}' {reason}", path.display())));
        complete(failed.len())
    }

    /// What was passed over by name, if asked for.
    pub fn named(&self, left_out: &[LeftOut]) -> Option<Vec<Named>> {
        let named = |left_out: &LeftOut| Named {
            file: left_out.path.to_string_lossy().into_owned(),
            reason: left_out.reason.name(),
        };
        self.verbose.then(|| left_out.iter().map(named).collect())
    }
}

/// A file that was passed over, and why.
#[derive(Serialize)]
pub struct Named {
    file: String,
    reason: &'static str,
}

/// Files of elman's own that a summary names.
const OWN: usize = 3;

/// Files that could not be read that are named.
const NAMED: usize = 10;

/// Names what could not be read, the first ones.
pub fn name(failed: impl ExactSizeIterator<Item = String>) {
    let more = failed.len().saturating_sub(NAMED);
    failed.take(NAMED).for_each(|failed| output::notice(format_args!("note: left out: {failed}")));
    if more > 0 {
        output::notice(format_args!("note: {more} more files are left out"));
    }
}

/// An error at the end where something could not be read.
pub fn complete(failed: usize) -> Result<(), CliError> {
    match failed {
        0 => Ok(()),
        count => Err(CliError::LeftOut { count }),
    }
}

/// How many were passed over, by reason.
pub fn counts<'a>(left_out: impl IntoIterator<Item = &'a LeftOut>) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    left_out.into_iter().for_each(|left_out| *counts.entry(left_out.reason.name()).or_default() += 1);
    counts
}

/// How many were passed over, in words; of elman's own files, which look like texts and tables, some by name.
pub fn summary<'a>(left_out: impl IntoIterator<Item = &'a LeftOut>) -> Option<String> {
    let left_out: Vec<&LeftOut> = left_out.into_iter().collect();
    let counts: Vec<String> =
        counts(left_out.iter().copied()).iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let is_own = |left_out: &&&LeftOut| matches!(left_out.reason, Reason::Own);
    let own: Vec<String> = left_out.iter().filter(is_own).map(|own| format!("'{}'", own.path.display())).collect();
    let named = match own.len() {
        0 => String::new(),
        count if count > OWN => format!("; elman's own are {}, …", own[..OWN].join(", ")),
        _ => format!("; elman's own: {}", own.join(", ")),
    };
    (!counts.is_empty()).then(|| format!("{} passed over ({}){named}", left_out.len(), counts.join(", ")))
}
