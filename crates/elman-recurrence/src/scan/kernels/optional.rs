//! Optional operands, represented as empty tensors.

use burn::{
    backend::{
        Backend, TensorMetadata,
        autodiff::{NodeId, grads::Gradients},
        tensor::FloatTensor,
    },
    tensor::Shape,
};
#[cfg(any(feature = "flex", feature = "ndarray"))]
use elman_layers::cpu::CpuBackend;

/// `None` for an absent operand.
#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(super) fn non_empty(values: &[f32]) -> Option<&[f32]> {
    (!values.is_empty()).then_some(values)
}

/// The buffer of a gradient; `None` if it was not requested.
#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(super) fn non_empty_mut(buffer: &mut [f32]) -> Option<&mut [f32]> {
    (!buffer.is_empty()).then_some(buffer)
}

/// Tensors of these shapes, or empty tensors if there are no values.
#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(super) fn tensors<B: CpuBackend, const N: usize>(
    values: [Vec<f32>; N],
    shapes: [Shape; N],
    device: &B::Device,
) -> [FloatTensor<B>; N] {
    let mut shapes = shapes.into_iter();
    values.map(|values| {
        let shape = shapes.next().filter(|_| !values.is_empty()).unwrap_or(Shape::new([0]));
        B::tensor(values, shape, device)
    })
}

/// Registers the computed gradients. Empty operands have no gradient.
pub(super) fn register<B: Backend, const N: usize>(
    nodes: [Option<NodeId>; N],
    computed: [FloatTensor<B>; N],
    gradients: &mut Gradients,
) {
    for (node, gradient) in nodes.into_iter().zip(computed) {
        if let Some(node) = node.filter(|_| gradient.shape().num_elements() > 0) {
            gradients.register::<B>(node, gradient);
        }
    }
}
