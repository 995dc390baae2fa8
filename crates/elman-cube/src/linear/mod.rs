//! Cells without a recurrent product: the next state is linear in the previous one, `h' = a h + b`, so segments of time
//! are processed in parallel. A thread first computes `a` and `b` of its segment, then its initial state from the
//! preceding segments' `a` and `b`, and finally runs the cell over the segment. This is one launch, or a few for very
//! long sequences.

mod kernels;

use cubecl::prelude::*;

use self::kernels::{BuffersLaunch, CHANNELS, backward_kernel, forward_kernel};
use crate::{Buffer, Gradients, ScanArgs, ScanOutput, Sequences, cell::Linear, kernel::CellSpec};

/// Maximum steps of a launch. A thread iterates over its segment twice, and software drivers limit the loop iterations:
/// see `Plan::steps_per_launch`.
const STEPS_PER_LAUNCH: usize = 1 << 16;

/// The steps `first..end` of a launch, divided into `count` segments.
struct Segments {
    first: usize,
    end: usize,
    count: usize,
}

impl Segments {
    /// The segments of all launches, in the order of the forward scan.
    fn launches(scan: ScanArgs<'_>) -> impl DoubleEndedIterator<Item = Self> {
        let time = scan.sequences.time;
        let max = scan.client.properties().hardware.max_units_per_cube as usize / CHANNELS;
        // each segment is processed twice, which pays off only if segments are long
        let count = (time.min(STEPS_PER_LAUNCH) / 64).clamp(1, max.clamp(1, 8));
        (0..time).step_by(STEPS_PER_LAUNCH).map(move |first| Self {
            first,
            end: time.min(first + STEPS_PER_LAUNCH),
            count,
        })
    }

    fn grid(&self, sequences: &Sequences) -> (CubeCount, CubeDim) {
        let columns = sequences.hidden.div_ceil(CHANNELS) as u32;
        (CubeCount::Static(columns, sequences.batch as u32, 1), CubeDim::new_2d(CHANNELS as u32, self.count as u32))
    }
}

/// The forward scan of a cell without a recurrent product.
pub(crate) fn forward<C: Linear>(scan: ScanArgs<'_>, input: &Buffer, saves: bool) -> ScanOutput {
    let ScanArgs { client, sequences, .. } = scan;
    let saved = if saves { sequences.saved_len(CellSpec::new::<C>()) } else { 0 };
    let outputs = ScanOutput {
        states: Buffer::empty(client, sequences.state_len(1, sequences.time)),
        saved: Buffer::empty_as(client, saved, input.number()),
        kept: Buffer::empty(client, 0),
    };
    let dtype = input.number().elem();
    for segments in Segments::launches(scan) {
        let (count, dim) = segments.grid(sequences);
        let b = buffers(scan, &outputs, &segments, saves, Some(input), None);
        // SAFETY: `ScanArgs::check` ensures that the buffers have the lengths that the sizes require
        unsafe { forward_kernel::launch_unchecked::<C>(client, count, dim, b, dtype) };
    }
    outputs
}

/// The backward scan of a cell without a recurrent product.
pub(crate) fn backward<C: Linear>(scan: ScanArgs<'_>, outputs: &ScanOutput, gradient: &Buffer) -> Gradients {
    let ScanArgs { client, sequences, .. } = scan;
    let Sequences { time, batch, hidden, .. } = *sequences;
    let dtype = outputs.saved.number();
    let input = Buffer::empty_as(client, time * batch * C::GATES * hidden, dtype);
    let state = Buffer::empty(client, batch * hidden);
    for segments in Segments::launches(scan).rev() {
        let (count, dim) = segments.grid(sequences);
        let b = buffers(scan, outputs, &segments, true, None, Some([gradient, &input, &state]));
        // SAFETY: as above
        unsafe { backward_kernel::launch_unchecked::<C>(client, count, dim, b, dtype.elem()) };
    }
    Gradients { input, recurrent: None, product: None, gain: None, state, projected: None, late: None }
}

fn buffers<N: Float>(
    scan: ScanArgs<'_>,
    outputs: &ScanOutput,
    segments: &Segments,
    saves: bool,
    input: Option<&Buffer>,
    gradients: Option<[&Buffer; 3]>,
) -> BuffersLaunch<N> {
    let Sequences { time, batch, hidden, ref lengths, .. } = *scan.sequences;
    let (rates, masks) = scan.operands.zoneout();
    BuffersLaunch::new(
        Buffer::optional_arg(input),
        Buffer::optional_arg(gradients.map(|gradients| gradients[0])),
        scan.operands.state.arg(),
        Buffer::optional_arg(lengths.as_ref()),
        Buffer::optional_arg(masks),
        outputs.states.arg(),
        outputs.saved.arg(),
        Buffer::optional_arg(gradients.map(|gradients| gradients[1])),
        Buffer::optional_arg(gradients.map(|gradients| gradients[2])),
        time,
        batch,
        hidden,
        scan.sequences.first_reverse_row(),
        segments.first,
        segments.end,
        (segments.end - segments.first).div_ceil(segments.count),
        rates.map_or(0.0, |rates| rates[0]),
        rates.is_some(),
        saves,
        segments.count,
    )
}
