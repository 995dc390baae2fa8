//! Networks packed for inference on a processor.

mod session;
mod weights;

use std::sync::Arc;

use elman_cpu::{Isa, PackedLayer, PackedLinear};
pub use elman_cpu::{UnknownWeightDtype, WeightDtype};

pub use session::Session;
pub(crate) use weights::{numbers, pack};

/// A recurrent network whose weights have been packed once, for inference on a processor.
///
/// Made by [`Recurrent::pack`](crate::Recurrent::pack) and its namesakes, from a network on any device. It holds copies of
/// the weights, in an order that the kernels stream, in float32 or in fewer bits; what was trained later does not reach it.
/// Clones share them. A [`Session`] runs it.
///
/// ```
/// use burn::tensor::Device;
/// use elman_recurrence::{LstmConfig, packed::WeightDtype};
///
/// let lstm = LstmConfig::new(3, 5).with_layers(2).init(&Device::flex());
/// let mut session = lstm.pack(WeightDtype::F32)?.session(1);
///
/// let first = session.step(&[0.1, 0.2, 0.3]).to_vec(); // the hidden state of the last layer
/// let second = session.step(&[0.3, 0.2, 0.1]).to_vec();
/// assert_eq!(second.len(), 5);
///
/// session.reset();
/// let both = session.forward(&[0.1, 0.2, 0.3, 0.3, 0.2, 0.1]); // [time, batch, feature]
/// assert!(both.iter().zip(first.iter().chain(&second)).all(|(a, b)| (a - b).abs() < 1e-6));
/// # Ok::<(), elman_recurrence::packed::PackError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Packed(Arc<Weights>);

#[derive(Debug)]
struct Weights {
    /// `[layer][direction]`
    layers: Vec<Vec<Arc<PackedLayer>>>,
    read_out: Option<PackedLinear>,
    /// Widths of the states: of the hidden state, and of the second one where there is one.
    widths: Vec<usize>,
}

impl Packed {
    /// A session of `batch` sequences side by side, from zeros.
    ///
    /// # Panics
    /// If `batch` is 0.
    pub fn session(&self, batch: usize) -> Session {
        Session::new(self.clone(), batch)
    }

    /// Width of the input.
    pub fn d_input(&self) -> usize {
        self.0.layers[0][0].inputs()
    }

    /// Width of the output.
    pub fn d_output(&self) -> usize {
        let directions = &self.0.layers[0];
        self.0.read_out.as_ref().map_or(directions.len() * directions[0].outputs(), PackedLinear::outputs)
    }

    /// Whether each layer also reads the sequence backwards.
    pub fn bidirectional(&self) -> bool {
        self.0.layers[0].len() == 2
    }

    /// Bytes of the packed weights.
    pub fn bytes(&self) -> usize {
        let layers: usize = self.0.layers.iter().flatten().map(|layer| layer.bytes()).sum();
        layers + self.0.read_out.as_ref().map_or(0, PackedLinear::bytes)
    }

    /// The first layers alone, which share their weights with these: the output is the hidden state of the last of them, without
    /// a read-out.
    ///
    /// # Panics
    /// If there are not so many, or none is asked for.
    #[must_use]
    pub fn first_layers(&self, count: usize) -> Self {
        let Weights { layers, widths, .. } = &*self.0;
        assert!((1..=layers.len()).contains(&count), "first_layers: {count} of {} layers", layers.len());
        Self(Arc::new(Weights { layers: layers[..count].to_vec(), read_out: None, widths: widths.clone() }))
    }

    /// With a dense layer after the last one: its weights `[d_output, D·P]` and its bias.
    pub(crate) fn with_read_out(self, weights: &[f32], bias: Option<&[f32]>, precision: WeightDtype) -> Self {
        let width = self.d_output();
        let Weights { layers, widths, .. } = Arc::into_inner(self.0).expect("nobody has a clone yet");
        let read_out = PackedLinear::new(Isa::best(), precision, weights, bias, width);
        Self(Arc::new(Weights { layers, read_out: Some(read_out), widths }))
    }
}

/// Why a network cannot be packed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The cell brings no kernels; see [`Cell::kernel`](crate::Cell::kernel).
    #[error("the cell {cell} has no kernels for a processor: it cannot be packed; use forward")]
    NoKernel {
        /// The cell.
        cell: String,
    },
    /// Eight bits have neither infinity nor NaN.
    #[error("{weights} is not finite in layer {layer}: it cannot be packed in {precision}")]
    NotFinite {
        /// Which weights.
        weights: &'static str,
        /// The layer, from 0.
        layer: usize,
        /// What was asked for.
        precision: WeightDtype,
    },
}
