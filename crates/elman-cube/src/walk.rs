use cubecl::prelude::*;

use crate::{Buffer, Operands, Plan, ScanOutput, Sequences, StorageDtype, kernel::Counted, layout::AuxLayout};

/// What is walked, and where.
#[derive(Clone, Copy)]
pub struct ScanArgs<'a> {
    /// Of the device.
    pub client: &'a Client,
    /// How it is launched and divided; as suits the device and the sizes without.
    pub plan: Option<Plan>,
    /// The sizes.
    pub sequences: &'a Sequences,
    /// What is read besides the input product.
    pub operands: &'a Operands,
}

impl ScanArgs<'_> {
    /// That every buffer has the length that the sizes ask for: the kernels do not look.
    pub(crate) fn check(&self, counts: Counted, input: &Buffer) {
        let Sequences { time, batch, hidden, output, ref lengths, .. } = *self.sequences;
        let sides = self.sequences.sides();
        let Operands { weights, bias, projection, gain, state, dropout, zoneout } = self.operands;
        let stored = |name: &str, buffer: Option<&Buffer>, len: usize, number: StorageDtype| {
            if let Some(buffer) = buffer {
                assert!(buffer.len() == len, "{name}: found {} numbers, expected {len}", buffer.len());
                assert!(buffer.number() == number, "{name}: found {:?}, expected {number:?}", buffer.number());
            }
        };
        let is = |name: &str, buffer: Option<&Buffer>, len: usize| stored(name, buffer, len, StorageDtype::F32);
        self.check_limits(counts);
        assert!(
            weights.is_some() == counts.recurrent,
            "weights: found {}, and the cell has {} recurrent product",
            weights.as_ref().map_or(0, Buffer::len),
            if counts.recurrent { "a" } else { "no" }
        );
        let is_projectable = counts.recurrent && !counts.reads_hidden && counts.late == 0;
        assert!(projection.is_none() || is_projectable, "projection: the cell cannot have one");
        assert!(
            projection.is_some() || output == hidden,
            "without a projection the output is {hidden} wide, not {output}"
        );
        let others = [bias, gain, dropout];
        assert!(
            counts.recurrent || others.iter().all(|other| other.is_none()),
            "bias, gain and dropout: a cell without a recurrent product has none of them"
        );
        let number = input.number();
        assert!(number.is_supported(self.client), "the device has no numbers of {number:?}");
        assert!(batch % sides == 0, "batch: found {batch} rows, and half of them walk each way");
        let rows = counts.gates * hidden;
        stored("input", Some(input), time * batch * rows, number);
        stored("weights", weights.as_ref(), sides * rows * output, number);
        stored("projection", projection.as_ref(), sides * output * hidden, number);
        is("bias", bias.as_ref(), sides * rows);
        is("gain", gain.as_ref(), sides * rows);
        is("state", Some(state), self.sequences.state_len(counts.states, 1));
        is("dropout", dropout.as_ref(), batch * output);
        is("lengths", lengths.as_ref(), batch);
        if let Some(crate::Zoneout::Masks(masks)) = zoneout {
            is("zoneout", Some(masks), self.sequences.state_len(counts.states, time));
        }
    }

    /// That the device can have buffers as large, and as many cubes.
    fn check_limits(&self, counts: Counted) {
        let Sequences { time, batch, hidden, .. } = *self.sequences;
        let properties = self.client.properties();
        let kept = AuxLayout::of(counts, self.sequences, self.operands.variant(), true).len;
        let largest = kept.max(time * batch * counts.gates.max(counts.saved) * hidden);
        // places are counted in 32 bits
        let most = (properties.memory.max_page_size / 4).min(u64::from(u32::MAX));
        assert!(
            largest as u64 <= most,
            "{time} time steps of {batch} rows of {hidden} hidden units are {:.1} GB in one buffer, and the device takes \
             {:.1} GB; at most {} rows would fit",
            4.0 * largest as f64 / 1e9,
            4.0 * most as f64 / 1e9,
            batch as u64 * most / (largest as u64).max(1),
        );
        let cubes = properties.hardware.max_cube_count.1;
        assert!(batch as u64 <= u64::from(cubes), "found {batch} rows, and the device takes at most {cubes}");
    }

    /// The same of a walk back.
    pub(crate) fn check_back(&self, counts: Counted, walked: &ScanOutput, gradient: &Buffer) {
        let states = self.sequences.state_len(counts.states, self.sequences.time);
        let kept = AuxLayout::of(counts, self.sequences, self.operands.variant(), true).len;
        for (name, found, expected) in [
            ("states", walked.states.len(), states),
            ("saved", walked.saved.len(), self.sequences.saved_len(counts)),
            ("kept", walked.kept.len(), kept),
            ("gradient", gradient.len(), states),
        ] {
            assert!(found == expected, "{name}: found {found} numbers, expected {expected}");
        }
    }
}
