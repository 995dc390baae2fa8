use std::str::FromStr;

use crate::{
    case::{Case, sizes},
    error::BenchError,
};

/// All combinations of batch sizes, time steps and hidden sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grid(pub Vec<Case>);

impl FromStr for Grid {
    type Err = BenchError;

    /// Parses `B=1,32;T=1,64;H=32,512`, the parts in any order. The input size equals the hidden size.
    fn from_str(text: &str) -> Result<Self, BenchError> {
        let parts = text.split(';').map(part).collect::<Result<Vec<_>, _>>()?;
        let list = |axis: char| {
            let mut lists = parts.iter().filter(|(name, _)| *name == axis).map(|(_, list)| list);
            match (lists.next(), lists.count()) {
                (Some(list), 0) => Ok(list),
                (first, more) => {
                    let times = usize::from(first.is_some()) + more;
                    Err(BenchError::GridAxis { found: text.into(), axis, times })
                }
            }
        };
        let [batches, times, hidden_sizes] = [list('B')?, list('T')?, list('H')?];
        let mut cases = Vec::with_capacity(batches.len() * times.len() * hidden_sizes.len());
        for &batch in batches {
            for &time in times {
                cases.extend(hidden_sizes.iter().map(|&size| Case::square(batch, time, size)));
            }
        }
        Ok(Self(cases))
    }
}

/// Parses `H=32,512`.
fn part(text: &str) -> Result<(char, Vec<usize>), BenchError> {
    let part = text.split_once('=').and_then(|(axis, list)| {
        let axis = ['B', 'T', 'H'].into_iter().find(|name| axis.trim().eq_ignore_ascii_case(&name.to_string()))?;
        Some((axis, sizes(list)?))
    });
    part.ok_or_else(|| BenchError::GridPart { found: text.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grid_is_every_combination_in_list_order() {
        let Grid(cases) = "B=1,32; T=64 ;h=512,32".parse().unwrap();
        let expected = [(1, 64, 512), (1, 64, 32), (32, 64, 512), (32, 64, 32)];
        assert_eq!(cases, expected.map(|(batch, time, size)| Case::square(batch, time, size)));
        assert_eq!("H=4;B=2;T=3".parse::<Grid>().unwrap().0, [Case::square(2, 3, 4)]);
    }

    #[test]
    fn error_is_one_line_that_names_the_part() {
        for (wrong, expected) in [
            ("", "invalid grid part '': expected B=, T= or H= "),
            ("B=1;T=;H=2", "invalid grid part 'T='"),
            ("B=1;T=2;H=2,0", "invalid grid part 'H=2,0'"),
            ("B=1;T=2;D=2", "invalid grid part 'D=2'"),
            ("B=1;T=2", "invalid grid 'B=1;T=2': H occurs 0 times; expected B, T and H once each"),
            ("B=1;T=2;H=3;B=4", "invalid grid 'B=1;T=2;H=3;B=4': B occurs 2 times"),
        ] {
            let error = wrong.parse::<Grid>().unwrap_err().to_string();
            assert!(error.starts_with(expected) && error.lines().count() == 1, "{error}");
        }
    }
}
