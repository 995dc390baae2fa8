//! Cells without a recurrent product: the state is linear in the one before, `h' = a h + b`, so stretches of time can be walked
//! side by side. Each unit first finds `a` and `b` of its stretch, then, from those of the stretches before, the state that it
//! begins with; and walks the stretch again, as the cell does it. One launch, or some for very long sequences.

mod kernels;

use cubecl::prelude::*;

use self::kernels::{BuffersLaunch, CHANNELS, backward_kernel, forward_kernel};
use crate::{Buffer, Gradients, ScanArgs, ScanOutput, Sequences, cell::Linear, kernel::Counted};

/// Steps of a launch. A unit goes through its part of them twice, and a driver in software has a limit: see
/// [`Plan::steps`](crate::Plan).
const PIECE: usize = 1 << 16;

/// How a piece of time is divided.
struct Stretches {
    first: usize,
    end: usize,
    count: usize,
}

impl Stretches {
    /// Of all pieces, in the order of the walk.
    fn of(walk: ScanArgs<'_>) -> impl DoubleEndedIterator<Item = Self> {
        let time = walk.sequences.time;
        let most = walk.client.properties().hardware.max_units_per_cube as usize / CHANNELS;
        // a stretch is walked twice, so it must be long enough to be worth it
        let count = (time.min(PIECE) / 64).clamp(1, most.clamp(1, 8));
        (0..time).step_by(PIECE).map(move |first| Self { first, end: time.min(first + PIECE), count })
    }

    fn grid(&self, sequences: &Sequences) -> (CubeCount, CubeDim) {
        let columns = sequences.hidden.div_ceil(CHANNELS) as u32;
        (CubeCount::Static(columns, sequences.batch as u32, 1), CubeDim::new_2d(CHANNELS as u32, self.count as u32))
    }
}

/// The walk forward of a cell without a recurrent product.
pub(crate) fn forward<C: Linear>(walk: ScanArgs<'_>, input: &Buffer, saves: bool) -> ScanOutput {
    let ScanArgs { client, sequences, .. } = walk;
    let saved = if saves { sequences.saved_len(Counted::of::<C>()) } else { 0 };
    let walked = ScanOutput {
        states: Buffer::empty(client, sequences.state_len(1, sequences.time)),
        saved: Buffer::empty_of(client, saved, input.number()),
        kept: Buffer::empty(client, 0),
    };
    let number = input.number().elem();
    for stretches in Stretches::of(walk) {
        let (count, dim) = stretches.grid(sequences);
        let b = buffers(walk, &walked, &stretches, saves, Some(input), None);
        // SAFETY: the buffers are as long as the sizes ask for, which `ScanArgs::check` has seen to
        unsafe { forward_kernel::launch_unchecked::<C>(client, count, dim, b, number) };
    }
    walked
}

/// The walk back of a cell without a recurrent product.
pub(crate) fn backward<C: Linear>(walk: ScanArgs<'_>, walked: &ScanOutput, gradient: &Buffer) -> Gradients {
    let ScanArgs { client, sequences, .. } = walk;
    let Sequences { time, batch, hidden, .. } = *sequences;
    let number = walked.saved.number();
    let input = Buffer::empty_of(client, time * batch * C::GATES * hidden, number);
    let state = Buffer::empty(client, batch * hidden);
    for stretches in Stretches::of(walk).rev() {
        let (count, dim) = stretches.grid(sequences);
        let b = buffers(walk, walked, &stretches, true, None, Some([gradient, &input, &state]));
        // SAFETY: as above
        unsafe { backward_kernel::launch_unchecked::<C>(client, count, dim, b, number.elem()) };
    }
    Gradients { input, recurrent: None, product: None, gain: None, state, projected: None, late: None }
}

fn buffers<N: Float>(
    walk: ScanArgs<'_>,
    walked: &ScanOutput,
    stretches: &Stretches,
    saves: bool,
    input: Option<&Buffer>,
    back: Option<[&Buffer; 3]>,
) -> BuffersLaunch<N> {
    let Sequences { time, batch, hidden, ref lengths, .. } = *walk.sequences;
    let (rates, masks) = walk.operands.zoneout();
    BuffersLaunch::new(
        Buffer::some(input),
        Buffer::some(back.map(|back| back[0])),
        walk.operands.state.arg(),
        Buffer::some(lengths.as_ref()),
        Buffer::some(masks),
        walked.states.arg(),
        walked.saved.arg(),
        Buffer::some(back.map(|back| back[1])),
        Buffer::some(back.map(|back| back[2])),
        time,
        batch,
        hidden,
        walk.sequences.turn(),
        stretches.first,
        stretches.end,
        (stretches.end - stretches.first).div_ceil(stretches.count),
        rates.map_or(0.0, |rates| rates[0]),
        rates.is_some(),
        saves,
        stretches.count,
    )
}
