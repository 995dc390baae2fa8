use crate::{Buffer, kernel::CellSpec};

/// The direction of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the first time step to the last.
    Forward,
    /// From the last time step to the first.
    Reverse,
    /// Both directions in one scan: the first half of the rows is scanned forward, the second half in reverse. Weights,
    /// bias, projection and gain contain those of the forward direction, followed by those of the reverse direction.
    Bidirectional,
}

/// The shape of a batch of sequences. `T` time, `B` batch, `G` gates, `H` hidden units, `P` outputs.
#[derive(Clone, Debug)]
pub struct Sequences {
    /// `T`
    pub time: usize,
    /// `B`
    pub batch: usize,
    /// `H`
    pub hidden: usize,
    /// `P`: the width of the hidden state; `H` without a projection.
    pub output: usize,
    /// The direction of the scan.
    pub direction: Direction,
    /// Number of time steps of each row, `[B]` of `u32`; `None` if every row has all of them.
    pub lengths: Option<Buffer>,
}

impl Sequences {
    /// The first row that is scanned in reverse.
    pub(crate) fn first_reverse_row(&self) -> usize {
        match self.direction {
            Direction::Forward => self.batch,
            Direction::Reverse => 0,
            Direction::Bidirectional => self.batch / 2,
        }
    }

    /// Number of directions, each of which has its own weights.
    pub(crate) fn num_directions(&self) -> usize {
        if self.direction == Direction::Bidirectional { 2 } else { 1 }
    }

    /// Number of values of all states at `times` time steps: `[times, B, P]` of the hidden state, followed by
    /// `[times, B, H]` of a second state.
    pub fn state_len(&self, states: usize, times: usize) -> usize {
        times * self.batch * (self.output + (states - 1) * self.hidden)
    }

    /// Number of values that a cell saves at all time steps, `[T, B, V, H]`.
    pub(crate) fn saved_len(&self, spec: CellSpec) -> usize {
        self.time * self.batch * spec.saved * self.hidden
    }
}

/// The inputs of a scan other than the input projection. Weights and projection have the dtype of the input projection,
/// the others are f32.
#[derive(Clone, Debug)]
pub struct Operands {
    /// The recurrent weights, `[G·H, P]`. `None` for cells without a recurrent product, which do not support the next
    /// three either.
    pub weights: Option<Buffer>,
    /// The recurrent bias, `[G·H]`.
    pub bias: Option<Buffer>,
    /// The projection, `[P, H]`.
    pub projection: Option<Buffer>,
    /// The gain of layer normalization of the recurrent product, `[G·H]`.
    pub gain: Option<Buffer>,
    /// The initial states: `[B, P]`, `[B, H]`.
    pub state: Buffer,
    /// The mask of recurrent dropout, `[B, P]`.
    pub dropout: Option<Buffer>,
    /// Zoneout.
    pub zoneout: Option<Zoneout>,
}

/// Zoneout: `z · before + (1 − z) · after`.
#[derive(Clone, Debug)]
pub enum Zoneout {
    /// `z` of every element, in the layout of the states: zeros and ones in training.
    Masks(Buffer),
    /// `z` of the hidden state and of the second state: the zoneout probabilities, in inference.
    Rates([f32; 2]),
}

/// Which options of the recurrence are enabled.
#[derive(Clone, Copy, Debug)]
pub struct ScanOptions {
    /// A projection.
    pub projection: bool,
    /// Layer normalization.
    pub norm: bool,
    /// Zoneout, by masks or rates.
    pub zoneout: bool,
}

impl Operands {
    /// The options that these operands enable.
    pub fn options(&self) -> ScanOptions {
        ScanOptions {
            projection: self.projection.is_some(),
            norm: self.gain.is_some(),
            zoneout: self.zoneout.is_some(),
        }
    }

    /// The rates of zoneout, or its masks.
    pub(crate) fn zoneout(&self) -> (Option<[f32; 2]>, Option<&Buffer>) {
        match &self.zoneout {
            Some(Zoneout::Rates(rates)) => (Some(*rates), None),
            Some(Zoneout::Masks(masks)) => (None, Some(masks)),
            None => (None, None),
        }
    }

    pub(crate) fn recurrent_weights(&self) -> &Buffer {
        self.weights.as_ref().expect("ScanArgs::check requires weights")
    }
}
