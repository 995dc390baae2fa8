use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::output;

/// Prints a clap error: help and version as they are, other errors on one line. Returns the exit code.
pub fn answer(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // the pipe may be closed, as in `elman --help | head -1`
            let _ = error.print();
        }
        _ => output::notice(one_line(&error.to_string())),
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Joins clap's paragraphs into one line, without the usage and the reference to the help.
fn one_line(message: &str) -> String {
    let parts = message
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:"))
        .filter(|line| !line.is_empty() && !line.starts_with("For more information"));
    let mut line = String::new();
    for part in parts {
        if !line.is_empty() {
            line += if part.starts_with("tip:") { "; " } else { " " };
        }
        line += part;
    }
    line
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::arguments::Cli;

    fn message(arguments: &[&str]) -> String {
        let error = Cli::try_parse_from(["elman"].iter().chain(arguments)).expect_err("an error");
        assert_eq!(error.exit_code(), 2);
        one_line(&error.to_string())
    }

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn errors_are_one_line() {
        assert_eq!(
            message(&["train", "text.txt"]),
            "error: the following required arguments were not provided: --out <DIR>"
        );
        assert_eq!(
            message(&["trian"]),
            "error: unrecognized subcommand 'trian'; tip: a similar subcommand exists: 'train'"
        );
        assert_eq!(
            message(&["train", "a", "--out", "b", "--cell", "lst"]),
            "error: invalid value 'lst' for '--cell <CELL>' \
             [possible values: elman, rnn, gru, lstm, min-gru, min-lstm]; tip: a similar value exists: 'lstm'"
        );
    }
}
