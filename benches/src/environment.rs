use serde::Serialize;
use sysinfo::System;

/// The environment that the measurements depend on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Environment {
    #[serde(flatten)]
    pub machine: elman::Environment,
    /// One-minute load average before the run; far above 0, the measurements are unreliable.
    pub load: f64,
    pub burn: &'static str,
    /// The peer libraries, apart from burn-nn, with their versions.
    pub peers: Vec<String>,
}

impl Environment {
    pub fn read(peers: Vec<String>) -> Self {
        Self { machine: elman::Environment::read(), load: System::load_average().one, burn: locked("burn"), peers }
    }
}

/// The version of a package in `Cargo.lock`.
fn locked(package: &str) -> &'static str {
    const LOCK: &str = include_str!("../../Cargo.lock");
    let head = format!("name = \"{package}\"\nversion = \"");
    LOCK.split_once(&head).and_then(|(_, rest)| rest.split('"').next()).unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_match_the_lock_file() {
        assert_eq!(locked("burn").split('.').count(), 3, "{}", locked("burn"));
        assert_eq!(locked("no such package"), "unknown");
    }
}
