use std::time::SystemTime;

use serde::Serialize;
use sysinfo::{CpuRefreshKind, RefreshKind, System};

/// What a figure depends on besides the code.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Environment {
    /// When the program was started, in UTC.
    pub date: String,
    pub cpu: String,
    pub cores: usize,
    /// Threads that the CPU backends compute with.
    pub threads: usize,
    /// How many processes wanted a core in the minute before; far above 0, the figures are noise.
    pub load: f64,
    pub profile: &'static str,
    pub features: Vec<&'static str>,
    pub elman: &'static str,
    pub burn: &'static str,
    /// PyTorch's version, if it takes part.
    pub torch: Option<String>,
}

impl Environment {
    pub fn read(torch: Option<String>) -> Self {
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
            cpu: system.cpus().first().map_or("unknown processor", |cpu| cpu.brand()).trim().into(),
            cores: System::physical_core_count().unwrap_or(system.cpus().len()),
            threads: rayon::current_num_threads(),
            load: System::load_average().one,
            profile: if cfg!(debug_assertions) { "dev" } else { "release" },
            features: features.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect(),
            elman: env!("CARGO_PKG_VERSION"),
            burn: locked("burn"),
            torch,
        }
    }
}

/// The version of a package that this program was built with.
fn locked(package: &str) -> &'static str {
    const LOCK: &str = include_str!("../../Cargo.lock");
    let head = format!("name = \"{package}\"\nversion = \"");
    LOCK.split_once(&head).and_then(|(_, rest)| rest.split('"').next()).unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_known() {
        let environment = Environment::read(None);
        assert!(environment.cores > 0 && environment.threads > 0);
        assert!(environment.date.ends_with('Z') && environment.date.starts_with("20"), "{}", environment.date);
        assert!(!environment.features.is_empty());
        assert_eq!(environment.burn.split('.').count(), 3, "{}", environment.burn);
        assert_eq!(locked("no such package"), "unknown");
    }
}
