use burn::tensor::Tensor;

/// Splits a `[T, B, F]` tensor into its time steps, `T` tensors of `[B, F]`.
///
/// Splits recursively in halves instead of slicing `T` times: the gradient of a slice has the size of the sliced
/// tensor, so in the backward pass slicing costs `O(T²)` and halving `O(T log T)`.
pub(super) fn steps(sequence: Tensor<3>) -> Vec<Tensor<2>> {
    let mut out = Vec::with_capacity(sequence.dims()[0]);
    halve(sequence, &mut out);
    out
}

fn halve(part: Tensor<3>, out: &mut Vec<Tensor<2>>) {
    match part.dims()[0] {
        0 => {}
        1 => out.push(part.squeeze_dim(0)),
        t => {
            halve(part.clone().narrow(0, 0, t / 2), out);
            halve(part.narrow(0, t / 2, t - t / 2), out);
        }
    }
}
