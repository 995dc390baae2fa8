use clap::Args;
use elman::DeviceInfo;
use serde::Serialize;

use crate::{error::CliError, output};

/// List the devices that this build supports on this machine.
#[derive(Args, Debug)]
#[command(after_help = "\
Backends are selected at compile time:
  cargo install elman-cli --features wgpu      any GPU, through Vulkan, Metal or DirectX 12
  cargo install elman-cli --features cuda      NVIDIA GPUs")]
pub struct Devices {
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    name: String,
    backend: &'static str,
    description: String,
    hardware_gpu: bool,
    /// Whether `--device auto` selects it.
    auto: bool,
}

impl Devices {
    pub fn run(&self) -> Result<(), CliError> {
        let auto = elman::device("auto")?;
        let row = |info: DeviceInfo| {
            let DeviceInfo { name, backend, description, hardware_gpu, device } = info;
            Row { name, backend, description, hardware_gpu, auto: device == auto }
        };
        let rows: Vec<Row> = elman::devices().into_iter().map(row).collect();
        if self.json {
            return output::json(&rows);
        }
        let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        for row in &rows {
            let auto = if row.auto { "  (auto)" } else { "" };
            output::line(format!("{:width$}  {}{auto}", row.name, row.description))?;
        }
        Ok(())
    }
}
