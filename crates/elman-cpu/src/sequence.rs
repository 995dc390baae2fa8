//! The shape of a batch of sequences, and offsets in its states.

/// The shape of a batch of sequences.
///
/// Legend: `T` time, `B` batch, `H` hidden units, `P` outputs, `G` gates.
#[derive(Clone, Copy, Debug)]
pub struct Sequences<'a> {
    /// `T`
    pub time: usize,
    /// `B`
    pub batch: usize,
    /// `H`
    pub hidden: usize,
    /// `P`: the width of the hidden state; `H` without a projection.
    pub output: usize,
    /// Scan from the last time step to the first.
    pub reverse: bool,
    /// Number of time steps of each row; `None` if every row has all of them.
    pub lengths: Option<&'a [usize]>,
}

impl Sequences<'_> {
    /// Number of values of all states at `times` time steps: `[times, B, P]` of the hidden state, followed by
    /// `[times, B, H]` of a second state.
    pub fn state_len(&self, states: usize, times: usize) -> usize {
        times * self.batch * (self.output + (states - 1) * self.hidden)
    }

    /// Offset of a row of a state in a buffer of `times` time steps.
    pub(crate) fn offset(&self, state: usize, times: usize, t: usize, row: usize) -> usize {
        let Self { batch, hidden, output, .. } = *self;
        match state {
            0 => (t * batch + row) * output,
            _ => times * batch * output + (((state - 1) * times + t) * batch + row) * hidden,
        }
    }

    /// The time of the `n`-th step of the scan.
    pub(crate) fn time_at(&self, n: usize) -> usize {
        if self.reverse { self.time - 1 - n } else { n }
    }

    /// The time of the step before the `n`-th.
    pub(crate) fn prev_time(&self, n: usize) -> Option<usize> {
        n.checked_sub(1).map(|n| self.time_at(n))
    }

    pub(crate) fn is_active(&self, row: usize, t: usize) -> bool {
        self.lengths.is_none_or(|lengths| t < lengths[row])
    }

    /// Splits `rows` into those that are active at time `t` and those that have ended.
    pub(crate) fn split_active(&self, rows: &[usize], t: usize, active: &mut Vec<usize>, ended: &mut Vec<usize>) {
        active.clear();
        ended.clear();
        for &row in rows {
            if self.is_active(row, t) { active.push(row) } else { ended.push(row) }
        }
    }

    /// # Panics
    /// If the number of lengths is not `B`, or a length exceeds `T`.
    pub(crate) fn check(&self) {
        if let Some(lengths) = self.lengths {
            assert_eq!(lengths.len(), self.batch, "lengths: one per row");
            assert!(lengths.iter().all(|length| *length <= self.time), "lengths: at most the number of time steps");
        }
    }
}

/// Splits rows into blocks of at most `max` rows whose sizes differ by at most 1.
pub(crate) fn blocks(rows: &[usize], max: usize) -> impl Iterator<Item = &[usize]> {
    let count = rows.len().div_ceil(max);
    (0..count).map(move |n| &rows[rows.len() * n / count..rows.len() * (n + 1) / count])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_almost_equal() {
        let rows: Vec<usize> = (0..16).collect();
        let sizes = |max| blocks(&rows, max).map(<[usize]>::len).collect::<Vec<_>>();
        assert_eq!(sizes(6), [5, 5, 6]);
        assert_eq!(sizes(8), [8, 8]);
        assert_eq!(blocks(&[], 4).count(), 0);
    }

    #[test]
    fn states_of_different_widths_are_contiguous() {
        let sequences = Sequences { time: 3, batch: 2, hidden: 5, output: 4, reverse: false, lengths: None };
        assert_eq!(sequences.state_len(2, 3), 3 * 2 * (4 + 5));
        assert_eq!(sequences.offset(0, 3, 2, 1), 5 * 4);
        assert_eq!(sequences.offset(1, 3, 0, 0), 3 * 2 * 4);
        assert_eq!(sequences.offset(1, 3, 2, 1), 3 * 2 * 4 + 5 * 5);
    }
}
