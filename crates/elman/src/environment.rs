use std::time::SystemTime;

use serde::Serialize;
use sysinfo::{CpuRefreshKind, RefreshKind, System};

/// The machine and the build: what measurements depend on, apart from the code.
#[derive(Clone, Debug, Serialize)]
pub struct Environment {
    /// The time of this reading, in UTC (RFC 3339).
    pub date: String,
    /// The operating system and the architecture.
    pub system: String,
    /// The model of the CPU.
    pub cpu: String,
    /// Physical cores.
    pub cores: usize,
    /// Threads that the CPU backends use.
    pub threads: usize,
    /// The Cargo profile: `dev` or `release`.
    pub profile: &'static str,
    /// The backends that are compiled in.
    pub features: Vec<&'static str>,
    /// The version of elman.
    pub elman: &'static str,
}

impl Environment {
    /// Describes this machine and this build.
    pub fn read() -> Self {
        let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()));
        let features = [
            ("flex", cfg!(feature = "flex")),
            ("ndarray", cfg!(feature = "ndarray")),
            ("wgpu", cfg!(feature = "wgpu")),
            ("vulkan", cfg!(feature = "vulkan")),
            ("metal", cfg!(feature = "metal")),
            ("webgpu", cfg!(feature = "webgpu")),
            ("cuda", cfg!(feature = "cuda")),
            ("rocm", cfg!(feature = "rocm")),
        ];
        Self {
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            cpu: system.cpus().first().map_or("unknown CPU", |cpu| cpu.brand()).trim().into(),
            cores: System::physical_core_count().unwrap_or(system.cpus().len()),
            threads: rayon::current_num_threads(),
            profile: if cfg!(debug_assertions) { "dev" } else { "release" },
            features: features.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect(),
            elman: env!("CARGO_PKG_VERSION"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_is_complete() {
        let environment = Environment::read();
        assert!(environment.cores > 0 && environment.threads > 0);
        assert!(environment.date.ends_with('Z') && environment.date.starts_with("20"), "{}", environment.date);
        assert!(!environment.features.is_empty());
    }
}
