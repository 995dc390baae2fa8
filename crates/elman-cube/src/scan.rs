use cubecl::prelude::*;

use crate::{Buffer, Operands, Plan, ScanOutput, Sequences, StorageDtype, kernel::CellSpec, layout::AuxLayout};

/// The arguments of a scan, forward or backward.
#[derive(Clone, Copy)]
pub struct ScanArgs<'a> {
    /// The client of the device.
    pub client: &'a Client,
    /// How the scan is launched and tiled; `None` chooses a plan for the device and the sizes.
    pub plan: Option<Plan>,
    /// The shape of the batch.
    pub sequences: &'a Sequences,
    /// The inputs other than the input projection.
    pub operands: &'a Operands,
}

impl ScanArgs<'_> {
    /// Checks that every buffer has the length that the sizes require. The kernels do not check bounds.
    pub(crate) fn check(&self, spec: CellSpec, input: &Buffer) {
        let Sequences { time, batch, hidden, output, ref lengths, .. } = *self.sequences;
        let directions = self.sequences.num_directions();
        let Operands { weights, bias, projection, gain, state, dropout, zoneout } = self.operands;
        let check_as = |name: &str, buffer: Option<&Buffer>, len: usize, dtype: StorageDtype| {
            if let Some(buffer) = buffer {
                assert!(buffer.len() == len, "{name}: found {} values, expected {len}", buffer.len());
                assert!(buffer.number() == dtype, "{name}: found {:?}, expected {dtype:?}", buffer.number());
            }
        };
        let check = |name: &str, buffer: Option<&Buffer>, len: usize| check_as(name, buffer, len, StorageDtype::F32);
        self.check_limits(spec);
        assert!(
            weights.is_some() == spec.recurrent,
            "weights: found {} values, and the cell has {} recurrent product",
            weights.as_ref().map_or(0, Buffer::len),
            if spec.recurrent { "a" } else { "no" }
        );
        let supports_projection = spec.recurrent && !spec.uses_prev_hidden && spec.candidate_gates == 0;
        assert!(projection.is_none() || supports_projection, "projection: the cell does not support one");
        assert!(
            projection.is_some() || output == hidden,
            "output: found {output}, expected {hidden}, since there is no projection"
        );
        let others = [bias, gain, dropout];
        assert!(
            spec.recurrent || others.iter().all(|other| other.is_none()),
            "bias, gain and dropout: a cell without a recurrent product has none of them"
        );
        let dtype = input.number();
        assert!(dtype.is_supported(self.client), "the device does not support {dtype:?}");
        assert!(batch % directions == 0, "batch: found {batch} rows, expected an even number for two directions");
        let rows = spec.gates * hidden;
        check_as("input", Some(input), time * batch * rows, dtype);
        check_as("weights", weights.as_ref(), directions * rows * output, dtype);
        check_as("projection", projection.as_ref(), directions * output * hidden, dtype);
        check("bias", bias.as_ref(), directions * rows);
        check("gain", gain.as_ref(), directions * rows);
        check("state", Some(state), self.sequences.state_len(spec.states, 1));
        check("dropout", dropout.as_ref(), batch * output);
        check("lengths", lengths.as_ref(), batch);
        if let Some(crate::Zoneout::Masks(masks)) = zoneout {
            check("zoneout", Some(masks), self.sequences.state_len(spec.states, time));
        }
    }

    /// Checks that the device supports the size of the largest buffer and the number of cubes.
    fn check_limits(&self, spec: CellSpec) {
        let Sequences { time, batch, hidden, .. } = *self.sequences;
        let properties = self.client.properties();
        let aux = AuxLayout::new(spec, self.sequences, self.operands.options(), true).len;
        let largest = aux.max(time * batch * spec.gates.max(spec.saved) * hidden);
        // kernels compute offsets in 32 bits
        let max = (properties.memory.max_page_size / 4).min(u64::from(u32::MAX));
        assert!(
            largest as u64 <= max,
            "{time} time steps of {batch} rows of {hidden} hidden units need {:.1} GB in one buffer, and the device \
             supports {:.1} GB; at most {} rows fit",
            4.0 * largest as f64 / 1e9,
            4.0 * max as f64 / 1e9,
            batch as u64 * max / (largest as u64).max(1),
        );
        let cubes = properties.hardware.max_cube_count.1;
        assert!(batch as u64 <= u64::from(cubes), "found {batch} rows, and the device supports at most {cubes}");
    }

    /// Checks the additional buffers of backward.
    pub(crate) fn check_backward(&self, spec: CellSpec, outputs: &ScanOutput, gradient: &Buffer) {
        let states = self.sequences.state_len(spec.states, self.sequences.time);
        let aux = AuxLayout::new(spec, self.sequences, self.operands.options(), true).len;
        for (name, found, expected) in [
            ("states", outputs.states.len(), states),
            ("saved", outputs.saved.len(), self.sequences.saved_len(spec)),
            ("kept", outputs.kept.len(), aux),
            ("gradient", gradient.len(), states),
        ] {
            assert!(found == expected, "{name}: found {found} values, expected {expected}");
        }
    }
}
