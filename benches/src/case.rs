use std::{fmt, str::FromStr};

use elman::recurrence::CellKind;
use serde::Serialize;

use crate::error::BenchError;

/// The size of a problem: one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Case {
    pub batch: usize,
    pub time: usize,
    pub d_input: usize,
    pub d_hidden: usize,
}

/// The cases that are measured unless others are asked for: one row at a time, and batches of growing size.
pub(crate) const STANDARD: [Case; 5] =
    [Case::of(1, 64, 256), Case::of(1, 64, 1024), Case::of(32, 64, 256), Case::of(32, 64, 512), Case::of(64, 256, 512)];

/// Those on a graphics card: enough rows or time steps that it has work, and few units, where a step takes less time than
/// starting a kernel.
pub(crate) const GRAPHICS: [Case; 5] = [
    Case::of(16, 1024, 768),
    Case::of(64, 256, 512),
    Case::of(256, 256, 128),
    Case::of(32, 256, 128),
    Case::of(1, 256, 128),
];

/// And for cells whose steps need not wait for each other.
pub(crate) const GRAPHICS_PARALLEL: Case = Case::of(16, 4096, 512);

/// Cases that take no time, to see that everything runs.
pub(crate) const QUICK: [Case; 2] = [Case::of(1, 8, 16), Case::of(4, 8, 16)];

impl Case {
    /// As many inputs as hidden units.
    pub const fn of(batch: usize, time: usize, width: usize) -> Self {
        Self { batch, time, d_input: width, d_hidden: width }
    }
}

/// What is measured on a graphics card, the most telling first: every case for all cells.
pub(crate) fn graphics(cells: &[CellKind]) -> Vec<(CellKind, Case)> {
    let is_parallel = |cell: &CellKind| matches!(cell, CellKind::MinGru | CellKind::MinLstm);
    let parallel = cells.iter().filter(|cell| is_parallel(cell)).map(|cell| (*cell, GRAPHICS_PARALLEL));
    GRAPHICS.iter().flat_map(|case| cells.iter().map(|cell| (*cell, *case))).chain(parallel).collect()
}

/// Numbers from 1 to 1048576, separated by commas; larger ones are taken for mistakes.
pub(crate) fn sizes(text: &str) -> Option<Vec<usize>> {
    text.split(',').map(|n| n.trim().parse().ok().filter(|n| (1..=1 << 20).contains(n))).collect()
}

impl fmt::Display for Case {
    /// As it is read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batch, time, d_input, d_hidden } = self;
        write!(f, "{batch},{time},{d_input},{d_hidden}")
    }
}

impl FromStr for Case {
    type Err = BenchError;

    /// Reads `batch,time,d_input,d_hidden`.
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
    fn a_case_is_four_positive_numbers() {
        let case: Case = "1, 64,256,1024".parse().unwrap();
        assert_eq!(case, Case { batch: 1, time: 64, d_input: 256, d_hidden: 1024 });
        assert_eq!(case.to_string(), "1,64,256,1024");
        for wrong in ["", "1,2,3", "1,2,3,4,5", "1,2,3,x", "0,2,3,4", "-1,2,3,4", "1,2,3,99999999"] {
            let error = wrong.parse::<Case>().unwrap_err().to_string();
            assert!(error.contains(&format!("'{wrong}'")) && error.lines().count() == 1, "{error}");
        }
    }

    #[test]
    fn long_sequences_are_for_cells_whose_steps_need_not_wait() {
        let all = graphics(&[CellKind::Gru, CellKind::MinGru]);
        assert_eq!(all[..2], [(CellKind::Gru, GRAPHICS[0]), (CellKind::MinGru, GRAPHICS[0])]);
        assert_eq!(all.len(), 2 * GRAPHICS.len() + 1);
        assert_eq!(all.last(), Some(&(CellKind::MinGru, GRAPHICS_PARALLEL)));
    }
}
