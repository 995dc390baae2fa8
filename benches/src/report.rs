use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use atomic_write_file::AtomicWriteFile;
use serde::Serialize;

use crate::{
    environment::Environment,
    error::BenchError,
    row::{Contest, Row},
    timing::Figure,
};

/// The table, which grows row by row, and the rows as JSON.
pub(crate) struct Report {
    table: Output,
    json: Option<Output>,
    environment: Environment,
}

/// A row with what it depends on, so that each line of JSON can be read alone.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    row: &'a Row,
    environment: &'a Environment,
}

impl Report {
    /// Prints the head of the table.
    pub fn begin(json: Option<&Path>, environment: Environment) -> Result<Self, BenchError> {
        let to_stdout = json.is_some_and(|path| path == Path::new("-"));
        let json = match json {
            None => None,
            Some(_) if to_stdout => Some(Output::Stdout),
            Some(path) => Some(Output::file(path)?),
        };
        let table = if to_stdout { Output::Stderr } else { Output::Stdout };
        let mut report = Self { table, json, environment };
        report.table.line(&head(&report.environment))?;
        Ok(report)
    }

    /// Prints a row.
    pub fn row(&mut self, row: &Row) -> Result<(), BenchError> {
        self.table.line(&table_row(row, self.environment.torch.is_some()))?;
        if let Some(json) = &mut self.json {
            let line = Line { row, environment: &self.environment };
            json.line(&serde_json::to_string(&line).expect("figures are valid JSON"))?;
        }
        Ok(())
    }

    /// Puts the JSON file in its place.
    pub fn finish(self) -> Result<(), BenchError> {
        self.json.map_or(Ok(()), Output::commit)
    }
}

/// Where lines go.
enum Output {
    Stdout,
    Stderr,
    /// Replaced at once, when it is complete.
    File(AtomicWriteFile, PathBuf),
}

impl Output {
    fn file(path: &Path) -> Result<Self, BenchError> {
        let file = AtomicWriteFile::open(path);
        let file = file.map_err(|source| BenchError::Write { path: path.into(), source })?;
        Ok(Self::File(file, path.into()))
    }

    fn line(&mut self, line: &str) -> Result<(), BenchError> {
        let (result, path) = match self {
            Self::Stdout => (writeln!(io::stdout(), "{line}"), Path::new("standard output")),
            Self::Stderr => (writeln!(io::stderr(), "{line}"), Path::new("standard error")),
            Self::File(file, path) => (writeln!(file, "{line}"), path.as_path()),
        };
        result.map_err(|source| BenchError::Write { path: path.into(), source })
    }

    fn commit(self) -> Result<(), BenchError> {
        match self {
            Self::File(file, path) => file.commit().map_err(|source| BenchError::Write { path, source }),
            Self::Stdout | Self::Stderr => Ok(()),
        }
    }
}

fn head(environment: &Environment) -> String {
    let Environment { machine, load, burn, torch } = environment;
    let elman::Environment { date, cpu, cores, threads, profile, features, elman, .. } = machine;
    let features = features.join(",");
    let peer = torch.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
    let contest = |name: &str| {
        let torch = torch.as_ref().map(|_| format!(" {:>8} {:>6}", "torch", "ratio")).unwrap_or_default();
        let columns = format!("{:>8} {:>8} {:>6}{torch} {:>8}", "elman", "burn-nn", "ratio", "GFLOP/s");
        (format!("{name:^width$}", width = columns.len()), columns)
    };
    let [(forward, forward_columns), (training, training_columns)] = [contest("forward"), contest("training")];
    format!(
        "{cpu}, {cores} cores, {threads} threads, load {load:.1}, {date}\n\
         elman {elman}, burn {burn}{peer}, features {features}, {profile} profile\n\
         medians in milliseconds; ratio: the peer's time / elman's\n\n\
         {:38}   {forward}   {}\n\
         {:<9} {:<8} {:>4} {:>4} {:>4} {:>4}   {forward_columns}   {training_columns}",
        "",
        training.trim_end(),
        "device",
        "cell",
        "B",
        "T",
        "I",
        "H"
    )
}

fn table_row(row: &Row, torch: bool) -> String {
    let Row { device, cell, case, forward, training } = row;
    let [forward, training] = [contest(forward, torch), contest(training, torch)];
    let sizes = format!("{:>4} {:>4} {:>4} {:>4}", case.batch, case.time, case.d_input, case.d_hidden);
    format!("{device:<9} {cell:<8} {sizes}   {forward}   {training}")
}

fn contest(contest: &Contest, torch: bool) -> String {
    let Contest { elman, gflop_per_second, burn_nn, torch: peer } = contest;
    let versus = |peer: &Option<Figure>| match peer {
        Some(peer) => format!("{:>8} {:>6.2}", ms(peer.ms), peer.ms / elman.ms),
        None => format!("{:>8} {:>6}", "-", "-"),
    };
    let torch = if torch { format!(" {}", versus(peer)) } else { String::new() };
    format!("{:>8} {}{torch} {gflop_per_second:>8.1}", ms(elman.ms), versus(burn_nn))
}

/// Three significant digits, or as many as there are before the point.
fn ms(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use elman::recurrence::CellKind;

    use super::*;

    fn row() -> Row {
        let figure = |ms| Figure { ms, low: ms, high: ms, runs: 3 };
        let contest = |scale: f64, burn_nn: Option<f64>| Contest {
            elman: figure(12.34 * scale),
            gflop_per_second: 43.21,
            burn_nn: burn_nn.map(figure),
            torch: Some(figure(6.17 * scale)),
        };
        let case = "32,64,256,512".parse().unwrap();
        let (forward, training) = (contest(1.0, Some(24.68)), contest(100.0, None));
        Row { device: "flex".into(), cell: CellKind::Lstm, case, forward, training }
    }

    #[test]
    fn columns_are_aligned() {
        for torch in [None, Some("torch 2.0".to_owned())] {
            let environment = Environment::read(torch);
            let head = head(&environment);
            let torch = environment.torch.is_some();
            let names = head.lines().last().unwrap();
            let row = table_row(&row(), torch);
            assert_eq!(names.len(), row.len(), "\n{names}\n{row}");
            // each name ends where a value ends
            for (name, value) in [("burn-nn", "24.7"), ("elman", "12.3"), ("GFLOP/s", "43.2")] {
                assert_eq!(names.find(name).unwrap() + name.len(), row.find(value).unwrap() + value.len(), "{name}");
            }
            assert_eq!(row.contains(" 0.50"), torch);
            assert!(row.contains(" 2.00"));
        }
    }

    #[test]
    fn a_line_of_json_can_be_read_alone() {
        let (row, environment) = (row(), Environment::read(None));
        let line = serde_json::to_string(&Line { row: &row, environment: &environment }).unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["cell"], "lstm");
        assert_eq!(line["d_hidden"], 512);
        assert_eq!(line["forward"]["elman"]["ms"], 12.34);
        assert_eq!(line["training"]["burn_nn"], serde_json::Value::Null);
        assert_eq!(line["environment"]["threads"], environment.machine.threads);
    }

    #[test]
    fn three_digits_are_shown() {
        assert_eq!([0.1234, 1.234, 12.34, 123.4, 1234.0].map(ms), ["0.123", "1.23", "12.3", "123", "1234"]);
    }
}
