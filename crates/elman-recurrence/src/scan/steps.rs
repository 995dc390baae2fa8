use burn::tensor::Tensor;

/// The time steps of a `[T, B, F]` tensor as `T` tensors of `[B, F]`.
///
/// The tensor is halved again and again instead of sliced `T` times: the gradient of a slice is as large as what it was
/// cut from, so plain slicing costs `T²` in the backward pass and halving `T log T`.
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
