use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use atomic_write_file::AtomicWriteFile;
use serde::Serialize;

use elman::{DeviceInfo, recurrence::CellKind};

use crate::{
    case::Case, ceilings::Ceilings, environment::Environment, error::BenchError, peer::Peers, row::Row, table::Table,
};

/// Writes rows to the table and as JSON.
pub(crate) struct Report {
    table: Table,
    text: Output,
    json: Option<Output>,
    environment: Environment,
}

/// A row with its environment, so that each line of JSON is self-contained.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    row: &'a Row,
    environment: &'a Environment,
}

impl Report {
    /// Prints the header for all devices. The table has the columns of all of them.
    pub fn begin(json: Option<&Path>, environment: Environment, table: Table) -> Result<Self, BenchError> {
        let to_stdout = json.is_some_and(|path| path == Path::new("-"));
        let json = match json {
            None => None,
            Some(_) if to_stdout => Some(Output::Stdout),
            Some(path) => Some(Output::file(path)?),
        };
        let text = if to_stdout { Output::Stderr } else { Output::Stdout };
        let mut report = Self { table, text, json, environment };
        report.text.line(&head(&report.environment))?;
        report.text.line(&report.table.legend())?;
        Ok(report)
    }

    /// Prints the header of a device, with a line for each peer that is not measured. The table has its columns.
    pub fn device(
        &mut self,
        device: &DeviceInfo,
        ceilings: &Ceilings,
        peers: &Peers,
        table: Table,
    ) -> Result<(), BenchError> {
        self.table = table;
        self.text.line(&device_head(device, ceilings, peers))?;
        self.text.line(&self.table.names())
    }

    /// Prints a row.
    pub fn row(&mut self, row: &Row) -> Result<(), BenchError> {
        self.text.line(&self.table.row(row))?;
        if let Some(json) = &mut self.json {
            let line = Line { row, environment: &self.environment };
            json.line(&serde_json::to_string(&line).expect("rows serialize to JSON"))?;
        }
        Ok(())
    }

    /// Lists the rows that the time budget did not allow.
    pub fn skipped(&mut self, budget: f64, rows: &[(CellKind, Case)]) -> Result<(), BenchError> {
        if rows.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = rows.iter().map(|(cell, case)| format!("{cell} {case}")).collect();
        self.text.line(&format!("not measured, the budget of {budget} s is used up: {}", names.join("; ")))
    }

    /// Commits the JSON file.
    pub fn finish(self) -> Result<(), BenchError> {
        self.json.map_or(Ok(()), Output::commit)
    }
}

/// Destination of lines.
enum Output {
    Stdout,
    Stderr,
    /// Replaced atomically when complete.
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
    let Environment { machine, load, burn, peers } = environment;
    let elman::Environment { date, cpu, cores, threads, profile, features, elman, .. } = machine;
    let features = features.join(",");
    let peers: String = peers.iter().map(|name| format!(", {name}")).collect();
    format!(
        "{cpu}, {cores} cores, {threads} threads, load {load:.1}, {date}\n\
         elman {elman}, burn {burn}{peers}, features {features}, {profile} profile"
    )
}

fn device_head(device: &DeviceInfo, ceilings: &Ceilings, peers: &Peers) -> String {
    let Ceilings { product, copy } = ceilings;
    let ([m, k, n], mebibytes) = (product.size, copy.bytes >> 20);
    let (gflop, gb) = (product.gflop_per_second, copy.gb_per_second);
    let torch = peers.torch_on().map(|device| format!("PyTorch on {}\n", device.describe()));
    let absent = peers.absent.iter().map(|line| format!("{line}\n"));
    format!(
        "\n{}: {}\n{gflop:.1} GFLOP/s in a large matrix product, {m}×{k} by {k}×{n}; \
         {gb:.1} GB/s in a large copy, of {mebibytes} MiB\n",
        device.name, device.description
    ) + &torch.into_iter().chain(absent).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ceilings::{Copying, Product},
        table::tests::row,
    };

    #[test]
    fn header_names_peers_and_ceilings() {
        let head = head(&Environment::read(vec!["torch 2.0".into(), "onnxruntime 1.0".into()]));
        assert!(head.contains(", torch 2.0, onnxruntime 1.0, features "), "{head}");
        let product = Product { gflop_per_second: 76.24, size: [2048, 1024, 512] };
        let copy = Copying { gb_per_second: 12.34, bytes: 256 << 20 };
        let device = DeviceInfo { name: "it".into(), description: "A Card".into(), ..elman::devices().remove(0) };
        let peers = Peers { absent: vec!["without PyTorch: none".into()], ..Peers::default() };
        let expected = "\nit: A Card\n76.2 GFLOP/s in a large matrix product, 2048×1024 by 1024×512; 12.3 GB/s in a large \
                        copy, of 256 MiB\nwithout PyTorch: none\n";
        assert_eq!(device_head(&device, &Ceilings { product, copy }, &peers), expected);
    }

    #[test]
    fn json_line_is_self_contained() {
        let (row, environment) = (row("ragged"), Environment::read(vec!["torch 2.0".into()]));
        let line = serde_json::to_string(&Line { row: &row, environment: &environment }).unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&line["cell"], &line["variant"]), (&"lstm".into(), &"ragged".into()));
        assert_eq!(line["d_hidden"], 512);
        assert_eq!((&line["peak_gflop_per_second"], &line["copy_gb_per_second"]), (&76.2.into(), &12.5.into()));
        assert_eq!((&line["torch_on"]["device"], &line["torch_on"]["card"]), (&"cuda:0".into(), &"A Card".into()));
        let forward = &line["forward"];
        assert_eq!((&forward["elman"]["ms"], &forward["elman"]["runs"]), (&12.34.into(), &3.into()));
        assert_eq!((&forward["peak_share"], &forward["plain_ratio"]), (&0.567.into(), &1.9.into()));
        assert_eq!((&forward["gb_per_second"], &forward["copy_share"]), (&9.876.into(), &0.79.into()));
        assert_eq!((&forward["torch"]["ms"], &forward["onnxruntime"]["ratio"]), (&6.17.into(), &0.7.into()));
        assert_eq!((&forward["best"]["peer"], &forward["best"]["ratio"]), (&"torch".into(), &0.5.into()));
        assert_eq!(line["training"]["burn_nn"]["ratio"], 2.0);
        assert_eq!(line["training"].get("onnxruntime"), None);
        assert_eq!(line["environment"]["threads"], environment.machine.threads);
        assert_eq!(line["environment"]["peers"][0], "torch 2.0");
    }
}
