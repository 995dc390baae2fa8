use serde::{Deserialize, Serialize};

/// Numbers of candidates that are measured.
pub(super) const EXPANSIONS: [usize; 8] = [16, 32, 64, 96, 128, 192, 256, 512];

/// Neighbors per query.
pub(super) const K: usize = 10;

/// Results of a contestant.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Results {
    pub name: String,
    /// Time until vectors and index are on disk.
    pub build_seconds: f64,
    /// Size on disk of everything that a search needs.
    pub bytes: u64,
    pub searched: Searched,
}

/// Measurements of the search process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Searched {
    pub open_seconds: f64,
    /// Peak memory minus the memory before the index was opened.
    pub memory: u64,
    /// One per expansion; exhaustive search has a single one without an expansion.
    pub settings: Vec<Setting>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Setting {
    pub expansion: Option<usize>,
    /// Whether this is the default configuration.
    #[serde(default)]
    pub default: bool,
    pub recall: f64,
    /// Queries per second, one at a time.
    pub one_thread: f64,
    /// Queries per second on all threads.
    pub all_threads: f64,
}

impl Searched {
    /// The fastest setting with at least this recall.
    pub(super) fn fastest(&self, recall: f64) -> Option<&Setting> {
        let enough = self.settings.iter().filter(|setting| setting.recall >= recall);
        enough.max_by(|a, b| a.one_thread.total_cmp(&b.one_thread))
    }
}

/// The share of the true neighbors that was found.
pub(super) fn recall(exact: &[[i32; K]], found: &[Vec<i32>]) -> f64 {
    let hits = exact.iter().zip(found).flat_map(|(exact, found)| exact.iter().filter(|row| found.contains(row)));
    hits.count() as f64 / (exact.len() * K).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_is_the_share_of_true_neighbors() {
        let exact = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]; 2];
        assert_eq!(recall(&exact, &[vec![9, 8, 7, 6, 5, 40, 41, 42, 43, 44], vec![]]), 0.25);
    }

    #[test]
    fn fastest_setting_reaches_the_recall() {
        let setting =
            |recall, one_thread| Setting { expansion: None, default: false, recall, one_thread, all_threads: 0.0 };
        let settings = vec![setting(0.9, 9.0), setting(0.96, 5.0), setting(0.97, 6.0), setting(0.99, 1.0)];
        let searched = Searched { open_seconds: 0.0, memory: 0, settings };
        assert_eq!(searched.fastest(0.95).unwrap().one_thread, 6.0);
        assert!(searched.fastest(0.999).is_none());
    }
}
