use crate::{Buffer, kernel::Counted};

/// Which way time is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the first time step to the last.
    Forward,
    /// From the last to the first.
    Reverse,
    /// Half of the rows each way, at once: the first half forward, the others back. Weights, bias, projection and gain are there
    /// twice, those of the way forward first.
    Bidirectional,
}

/// A batch of sequences. `T` time, `B` batch, `G` gates, `H` hidden units, `P` outputs.
#[derive(Clone, Debug)]
pub struct Sequences {
    /// `T`
    pub time: usize,
    /// `B`
    pub batch: usize,
    /// `H`
    pub hidden: usize,
    /// `P`: the width of the hidden state, which is `H` unless it is projected.
    pub output: usize,
    /// Which way they are walked.
    pub direction: Direction,
    /// How many time steps each row has, `[B]` of `u32`; all of them without.
    pub lengths: Option<Buffer>,
}

impl Sequences {
    /// The first row that is walked from the last time step to the first.
    pub(crate) fn turn(&self) -> usize {
        match self.direction {
            Direction::Forward => self.batch,
            Direction::Reverse => 0,
            Direction::Bidirectional => self.batch / 2,
        }
    }

    /// How many sets of weights there are.
    pub(crate) fn sides(&self) -> usize {
        if self.direction == Direction::Bidirectional { 2 } else { 1 }
    }

    /// Numbers of all states at so many `times`: `[times, B, P]` of the hidden state and then, of a second one,
    /// `[times, B, H]`.
    pub fn state_len(&self, states: usize, times: usize) -> usize {
        times * self.batch * (self.output + (states - 1) * self.hidden)
    }

    /// Numbers of what a cell saves of all steps, `[T, B, V, H]`.
    pub(crate) fn saved_len(&self, counts: Counted) -> usize {
        self.time * self.batch * counts.saved * self.hidden
    }
}

/// What a walk reads besides the input product. Weights and projection are stored as it is, the others in 32 bits.
#[derive(Clone, Debug)]
pub struct Operands {
    /// `[G·H, P]`; `None` for cells without a recurrent product, which have none of the next three either.
    pub weights: Option<Buffer>,
    /// `[G·H]`
    pub bias: Option<Buffer>,
    /// The projection, `[P, H]`.
    pub projection: Option<Buffer>,
    /// The gain of layer normalisation of the recurrent product, `[G·H]`.
    pub gain: Option<Buffer>,
    /// The initial state: `[B, P]`, `[B, H]`.
    pub state: Buffer,
    /// Of recurrent dropout, `[B, P]`.
    pub dropout: Option<Buffer>,
    /// How much of each state stays as it was.
    pub zoneout: Option<Zoneout>,
}

/// `z · before + (1 − z) · after`.
#[derive(Clone, Debug)]
pub enum Zoneout {
    /// `z` of every element, in the layout of the states: zeros and ones in training.
    Masks(Buffer),
    /// `z` of the hidden state and of the other one: their probabilities, in inference.
    Rates([f32; 2]),
}

/// What there is besides the plain recurrence.
#[derive(Clone, Copy, Debug)]
pub struct ScanOptions {
    /// A projection.
    pub projection: bool,
    /// Layer normalisation.
    pub norm: bool,
    /// Zoneout, by masks or rates.
    pub zoneout: bool,
}

impl Operands {
    /// What there is of them.
    pub fn variant(&self) -> ScanOptions {
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
        self.weights.as_ref().expect("a walk has been checked")
    }
}
