//! Operands that need not be there: as tensors they are empty.

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

/// The numbers, if there are any.
#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(super) fn some(numbers: &[f32]) -> Option<&[f32]> {
    (!numbers.is_empty()).then_some(numbers)
}

/// The place for a gradient, if it was asked for.
#[cfg(any(feature = "flex", feature = "ndarray"))]
pub(super) fn asked(into: &mut [f32]) -> Option<&mut [f32]> {
    (!into.is_empty()).then_some(into)
}

/// Tensors of these shapes, empty where there are no numbers.
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

/// Registers the gradients that were made; an empty operand has none and needs none.
pub(super) fn register<B: Backend, const N: usize>(
    nodes: [Option<NodeId>; N],
    found: [FloatTensor<B>; N],
    gradients: &mut Gradients,
) {
    for (node, found) in nodes.into_iter().zip(found) {
        if let Some(node) = node.filter(|_| found.shape().num_elements() > 0) {
            gradients.register::<B>(node, found);
        }
    }
}
