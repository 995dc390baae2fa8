use std::{fmt, str::FromStr};

use elman::recurrence::CellKind;
use serde::Serialize;

use crate::error::BenchError;

/// Problem size: one layer on one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Case {
    pub batch: usize,
    pub time: usize,
    pub d_input: usize,
    pub d_hidden: usize,
}

/// Default cases on CPUs: a single row, and batches of increasing size.
pub(crate) const STANDARD: [Case; 5] = [
    Case::square(1, 64, 256),
    Case::square(1, 64, 1024),
    Case::square(32, 64, 256),
    Case::square(32, 64, 512),
    Case::square(64, 256, 512),
];

/// Default cases on GPUs: enough rows or time steps to occupy the device, and cases with few hidden units, whose time
/// steps take less time than a kernel launch.
pub(crate) const GPU: [Case; 5] = [
    Case::square(16, 1024, 768),
    Case::square(64, 256, 512),
    Case::square(256, 256, 128),
    Case::square(32, 256, 128),
    Case::square(1, 256, 128),
];

/// Additional GPU case for cells that a parallel scan can compute.
pub(crate) const GPU_PARALLEL: Case = Case::square(16, 4096, 512);

/// Tiny cases, to check that everything runs.
pub(crate) const QUICK: [Case; 2] = [Case::square(1, 8, 16), Case::square(4, 8, 16)];

impl Case {
    /// A case whose input size equals its hidden size.
    pub const fn square(batch: usize, time: usize, size: usize) -> Self {
        Self { batch, time, d_input: size, d_hidden: size }
    }
}

/// Default work on a GPU, ordered so that the time budget covers every cell of the first cases.
pub(crate) fn gpu_work(cells: &[CellKind]) -> Vec<(CellKind, Case)> {
    let is_parallel = |cell: &CellKind| matches!(cell, CellKind::MinGru | CellKind::MinLstm);
    let parallel = cells.iter().filter(|cell| is_parallel(cell)).map(|cell| (*cell, GPU_PARALLEL));
    GPU.iter().flat_map(|case| cells.iter().map(|cell| (*cell, *case))).chain(parallel).collect()
}

/// Parses integers from 1 to 1048576, separated by commas; larger ones are most likely mistakes.
pub(crate) fn sizes(text: &str) -> Option<Vec<usize>> {
    text.split(',').map(|n| n.trim().parse().ok().filter(|n| (1..=1 << 20).contains(n))).collect()
}

impl fmt::Display for Case {
    /// In the format that [`FromStr`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batch, time, d_input, d_hidden } = self;
        write!(f, "{batch},{time},{d_input},{d_hidden}")
    }
}

impl FromStr for Case {
    type Err = BenchError;

    /// Parses `batch,time,d_input,d_hidden`.
    fn from_str(text: &str) -> Result<Self, BenchError> {
        match sizes(text).as_deref() {
            Some(&[batch, time, d_input, d_hidden]) => Ok(Self { batch, time, d_input, d_hidden }),
            _ => Err(BenchError::Case { found: text.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_four_positive_integers() {
        let case: Case = "1, 64,256,1024".parse().unwrap();
        assert_eq!(case, Case { batch: 1, time: 64, d_input: 256, d_hidden: 1024 });
        assert_eq!(case.to_string(), "1,64,256,1024");
        for wrong in ["", "1,2,3", "1,2,3,4,5", "1,2,3,x", "0,2,3,4", "-1,2,3,4", "1,2,3,99999999"] {
            let error = wrong.parse::<Case>().unwrap_err().to_string();
            assert!(error.contains(&format!("'{wrong}'")) && error.lines().count() == 1, "{error}");
        }
    }

    #[test]
    fn longest_gpu_case_is_only_for_parallel_cells() {
        let all = gpu_work(&[CellKind::Gru, CellKind::MinGru]);
        assert_eq!(all[..2], [(CellKind::Gru, GPU[0]), (CellKind::MinGru, GPU[0])]);
        assert_eq!(all.len(), 2 * GPU.len() + 1);
        assert_eq!(all.last(), Some(&(CellKind::MinGru, GPU_PARALLEL)));
    }
}
