use std::{fs, path::Path};

use crate::error::BenchError;

/// Reads the scores of a file of pairs: the value after the last comma of each line. Empty lines are skipped.
pub(super) fn scores(path: &Path) -> Result<Vec<f64>, BenchError> {
    let text = fs::read_to_string(path).map_err(|source| BenchError::Read { path: path.into(), source })?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let score = |(n, line): (usize, &str)| {
        let found = line.rsplit(',').next().unwrap_or_default().trim();
        let score = found.parse().ok().filter(|score: &f64| score.is_finite());
        score.ok_or_else(|| BenchError::Score { path: path.into(), line: n + 1, found: found.into() })
    };
    lines.map(score).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn score_follows_the_last_comma() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pairs.csv");
        fs::write(&path, "\"a, b\",c,4.5\r\n\nd,\"e\",0\n").unwrap();
        assert_eq!(scores(&path).unwrap(), [4.5, 0.0]);
        fs::write(&path, "a,b,1\na,b,c\n").unwrap();
        let error = scores(&path).unwrap_err().to_string();
        assert!(error.ends_with("expected a score after the last comma, found 'c'"), "{error}");
        assert!(error.starts_with("line 2"), "{error}");
    }
}
