//! Networks packed for inference on the CPU.

mod session;
mod weights;

use std::sync::Arc;

use elman_cpu::{Isa, PackedLayer, PackedLinear};
pub use elman_cpu::{UnknownWeightDtype, WeightDtype};

pub use session::Session;
pub(crate) use weights::{pack, to_vec_f32};

/// A recurrent network with packed weights, for inference on the CPU.
///
/// Created by [`Recurrent::pack`](crate::Recurrent::pack) and the `pack` methods of the other networks, from a network
/// on any device. It has its own copy of the weights, as f32 or in fewer bits, in the order in which the kernels read
/// them. Later training does not change the copy; clones share it. A [`Session`] runs the network.
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
    /// Widths of the hidden state and, if the cell has one, of the second state.
    widths: Vec<usize>,
}

impl Packed {
    /// A session for a batch of `batch` sequences, with zero initial state.
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

    /// Whether each layer runs in both directions.
    pub fn bidirectional(&self) -> bool {
        self.0.layers[0].len() == 2
    }

    /// Size of the packed weights in bytes.
    pub fn bytes(&self) -> usize {
        let layers: usize = self.0.layers.iter().flatten().map(|layer| layer.bytes()).sum();
        layers + self.0.read_out.as_ref().map_or(0, PackedLinear::bytes)
    }

    /// A network of only the first `count` layers, sharing the weights. Its output is the hidden state of the last of
    /// them, without a read-out.
    ///
    /// # Panics
    /// If `count` is 0 or more than the number of layers.
    #[must_use]
    pub fn first_layers(&self, count: usize) -> Self {
        let Weights { layers, widths, .. } = &*self.0;
        assert!((1..=layers.len()).contains(&count), "first_layers: {count} of {} layers", layers.len());
        Self(Arc::new(Weights { layers: layers[..count].to_vec(), read_out: None, widths: widths.clone() }))
    }

    /// Adds a dense layer after the last recurrent layer: weights `[d_output, directions·P]` and bias.
    pub(crate) fn with_read_out(self, weights: &[f32], bias: Option<&[f32]>, dtype: WeightDtype) -> Self {
        let width = self.d_output();
        let Weights { layers, widths, .. } = Arc::into_inner(self.0).expect("no clone exists yet");
        let read_out = PackedLinear::new(Isa::best(), dtype, weights, bias, width);
        Self(Arc::new(Weights { layers, read_out: Some(read_out), widths }))
    }
}

/// An error of packing a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The cell has no CPU kernel; see [`Cell::kernel`](crate::Cell::kernel).
    #[error("the cell {cell} has no CPU kernel and cannot be packed; use forward")]
    NoKernel {
        /// The cell.
        cell: String,
    },
    /// The dtype `int8` cannot represent infinity or NaN.
    #[error("{weights} of layer {layer} is not finite and cannot be packed as {dtype}")]
    NotFinite {
        /// Name of the weights.
        weights: &'static str,
        /// The layer, from 0.
        layer: usize,
        /// The requested dtype.
        dtype: WeightDtype,
    },
}
