use serde::Serialize;
use sysinfo::System;

/// What a figure depends on besides the code.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Environment {
    #[serde(flatten)]
    pub machine: elman::Environment,
    /// How many processes wanted a core in the minute before; far above 0, the figures are noise.
    pub load: f64,
    pub burn: &'static str,
    /// The libraries that take part beside burn-nn, with their versions.
    pub peers: Vec<String>,
}

impl Environment {
    pub fn read(peers: Vec<String>) -> Self {
        Self { machine: elman::Environment::read(), load: System::load_average().one, burn: locked("burn"), peers }
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
    fn versions_are_those_of_the_lock_file() {
        assert_eq!(locked("burn").split('.').count(), 3, "{}", locked("burn"));
        assert_eq!(locked("no such package"), "unknown");
    }
}
