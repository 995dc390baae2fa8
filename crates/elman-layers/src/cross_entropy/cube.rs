//! The loss on a GPU, in chunks of rows, composed of burn's operations.
//!
//! Nothing is read back, so the device is not synchronized.

use burn::{
    backend::{
        DeviceOps, FloatDType, TensorMetadata,
        ops::{FloatTensorOps, IntTensorOps},
        tensor::{FloatTensor, IntTensor},
    },
    tensor::{IndexingUpdateOp, Shape, Slice},
};
use burn_cubecl::CubeBackend as B;

use super::extension::{Bias, Loss, OutputKernels, OutputLoss};

type Float = FloatTensor<B>;
type Int = IntTensor<B>;

/// Maximum logits of a chunk (64 MiB). Each chunk is added to the whole gradient of the weight, so smaller chunks cost
/// more.
const MAX_LOGITS: usize = 1 << 24;

/// Rows of a chunk: as few even chunks as possible, of at most [`MAX_LOGITS`] or 16 rows, whichever is more.
fn chunk_rows(rows: usize, classes: usize) -> usize {
    let max = (MAX_LOGITS / classes).max(16);
    rows.div_ceil(rows.div_ceil(max))
}

/// The output layer, shared by all chunks.
struct Output {
    /// `[H, V]`
    weight: Float,
    /// `[1, V]`
    bias: Option<Float>,
    /// Total number of rows `N`.
    rows: usize,
}

/// A chunk of `n` rows.
struct Chunk {
    /// `[n, H]`
    hidden: Float,
    /// `[n, 1]`, each below `V`
    targets: Int,
    /// `[n, 1]`: `−1/N`, or NaN if the target is not a class
    neg_inv_rows: Float,
}

/// The softmax of a chunk, before division by the sums.
struct Softmax {
    /// `exp(logit − max of the row)`, `[n, V]`
    exponentials: Float,
    /// `[n, 1]`
    sums: Float,
}

impl Output {
    /// The chunk's part of the mean loss, `[1, 1]`.
    fn forward(&self, chunk: &Chunk) -> (Float, Softmax) {
        let products = B::float_matmul(chunk.hidden.clone(), self.weight.clone());
        let logits = match &self.bias {
            Some(bias) => B::float_add(products, bias.clone()),
            None => products,
        };
        let max = B::float_max_dim(logits.clone(), 1);
        let shifted = B::float_sub(logits, max);
        let target_logits = B::float_gather(1, shifted.clone(), chunk.targets.clone());
        let exponentials = B::float_exp(shifted);
        let sums = B::float_sum_dim(exponentials.clone(), 1);
        let log_probabilities = B::float_sub(target_logits, B::float_log(sums.clone()));
        let loss = B::float_sum_dim(B::float_mul(log_probabilities, chunk.neg_inv_rows.clone()), 0);
        (loss, Softmax { exponentials, sums })
    }

    /// The gradient of the mean loss with respect to the chunk's logits, `(softmax − one-hot)/N`, `[n, V]`.
    fn grad_logits(&self, chunk: &Chunk, Softmax { exponentials, sums }: Softmax) -> Float {
        let sums = B::float_mul_scalar(sums, (self.rows as f64).into());
        let softmax = B::float_div(exponentials, sums);
        B::float_scatter(1, softmax, chunk.targets.clone(), chunk.neg_inv_rows.clone(), IndexingUpdateOp::Add)
    }
}

/// Splits the problem into chunks of `chunk_rows` rows; the last may be shorter.
fn chunks(targets: Int, hidden: Float, classes: usize, chunk_rows: usize) -> impl Iterator<Item = Chunk> {
    let (device, rows) = (hidden.device(), hidden.shape()[0]);
    let column = Shape::new([rows, 1]);
    let targets = B::int_reshape(targets, column.clone());
    // the scatter is not bounds-checked: clamp indices, and set the loss of invalid ones to NaN
    let clamped = B::int_clamp(targets.clone(), 0.into(), (classes - 1).into());
    let invalid = B::int_not_equal(targets, clamped.clone(), device.defaults().bool_dtype);
    let neg_inv_rows = B::float_full(column, (-1.0 / rows as f64).into(), &device, FloatDType::F32);
    let neg_inv_rows = B::float_mask_fill(neg_inv_rows, invalid, f32::NAN.into());
    (0..rows).step_by(chunk_rows).map(move |from| {
        let slices = [Slice::from(from..rows.min(from + chunk_rows)), Slice::from(..)];
        Chunk {
            hidden: B::float_slice(hidden.clone(), &slices),
            targets: B::int_slice(clamped.clone(), &slices),
            neg_inv_rows: B::float_slice(neg_inv_rows.clone(), &slices),
        }
    })
}

fn add(sum: Option<Float>, next: Float) -> Option<Float> {
    Some(match sum {
        Some(sum) => B::float_add(sum, next),
        None => next,
    })
}

fn in_chunks(
    targets: Int,
    hidden: Float,
    weight: Float,
    bias: Bias<B>,
    required: [bool; 3],
    chunk_rows: usize,
) -> Loss<B> {
    let device = hidden.device();
    let (rows, classes) = (hidden.shape()[0], weight.shape()[1]);
    // the memory layout is `[V, H]`; the gradient gets the same layout
    let tied = !weight.is_contiguous();
    let bias = match bias {
        Bias::Some(bias) => Some(B::float_reshape(bias, Shape::new([1, classes]))),
        Bias::None => None,
    };
    let output = Output { bias, weight, rows };
    let (mut loss, mut grad_hidden, mut grad_weight, mut grad_bias) = (None, Vec::new(), None, None);
    for chunk in chunks(targets, hidden, classes, chunk_rows) {
        let (chunk_loss, softmax) = output.forward(&chunk);
        loss = add(loss, chunk_loss);
        if required == [false; 3] {
            continue;
        }
        let grad_logits = output.grad_logits(&chunk, softmax);
        if required[0] {
            grad_hidden.push(B::float_matmul(grad_logits.clone(), B::float_transpose(output.weight.clone())));
        }
        if required[1] {
            let next = match tied {
                true => B::float_matmul(B::float_transpose(grad_logits.clone()), chunk.hidden),
                false => B::float_matmul(B::float_transpose(chunk.hidden), grad_logits.clone()),
            };
            grad_weight = add(grad_weight, next);
        }
        if required[2] {
            grad_bias = add(grad_bias, B::float_sum_dim(grad_logits, 0));
        }
    }
    let loss = B::float_reshape(loss.expect("at least one row"), Shape::new([1]));
    let grad_hidden = required[0].then(|| B::float_cat(grad_hidden, 0));
    let grad_weight = grad_weight.map(|grad_weight| if tied { B::float_transpose(grad_weight) } else { grad_weight });
    let grad_bias = grad_bias.map(|grad_bias| B::float_reshape(grad_bias, Shape::new([classes])));
    let empty = || B::float_empty(Shape::new([0]), &device, FloatDType::F32);
    Loss {
        loss,
        grad_hidden: grad_hidden.unwrap_or_else(empty),
        grad_weight: grad_weight.unwrap_or_else(empty),
        grad_bias: grad_bias.unwrap_or_else(empty),
    }
}

impl OutputKernels for B {
    fn output_gradients(
        targets: Int,
        hidden: Float,
        weight: Float,
        bias: Bias<Self>,
        required: [bool; 3],
    ) -> Loss<Self> {
        let chunk_rows = chunk_rows(hidden.shape()[0], weight.shape()[1]);
        in_chunks(targets, hidden, weight, bias, required, chunk_rows)
    }

    /// Does not read the factor, because this would synchronize the device.
    fn output_scaled(gradient: Float, factor: Float) -> Float {
        let axes = gradient.shape().num_dims();
        Self::float_mul(gradient, Self::float_reshape(factor, Shape::from(vec![1; axes])))
    }
}

impl OutputLoss for B {
    fn output_loss(targets: Int, hidden: Float, weight: Float, bias: Bias<Self>) -> Float {
        Self::output_gradients(targets, hidden, weight, bias, [false; 3]).loss
    }
}

#[cfg(test)]
mod tests {
    use burn::{
        backend::{DispatchDevice, read_sync},
        tensor::{Device, TensorData},
    };
    use elman_testkit::{Tolerance, assert_close_data, devices};

    use super::*;
    use crate::device::is_cube;

    /// Another order of f32 sums.
    const ROUNDING: Tolerance = Tolerance { relative: 1e-5, absolute: 1e-7 };

    const ROWS: usize = 7;
    const D_HIDDEN: usize = 5;
    const CLASSES: usize = 11;
    const TARGETS: [i64; ROWS] = [0, 10, 3, 3, 7, 1, 10];

    fn cube_devices() -> impl Iterator<Item = Device> {
        devices().into_iter().map(|device| device.device).filter(is_cube)
    }

    /// Values of both signs that depend only on the shape: concurrent tests share the device's random number generator.
    fn values(shape: [usize; 2], device: &Device) -> Float {
        let DispatchDevice::Cube(cube) = device.as_dispatch().clone() else { panic!("not a CubeCL device") };
        let values = (0..shape[0] * shape[1]).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
        B::float_from_data(TensorData::new::<f32, _>(values, shape), &cube)
    }

    fn class_indices(targets: [i64; ROWS], device: &Device) -> Int {
        let DispatchDevice::Cube(cube) = device.as_dispatch().clone() else { panic!("not a CubeCL device") };
        let dtype = cube.defaults().int_dtype.into();
        B::int_from_data(TensorData::from(targets).convert_dtype(dtype), &cube)
    }

    /// The loss and the required gradients.
    fn run(
        targets: [i64; ROWS],
        tied: bool,
        required: [bool; 3],
        chunk_rows: usize,
        device: &Device,
    ) -> (TensorData, Vec<TensorData>) {
        let hidden = values([ROWS, D_HIDDEN], device);
        let weight = match tied {
            true => B::float_transpose(values([CLASSES, D_HIDDEN], device)),
            false => values([D_HIDDEN, CLASSES], device),
        };
        let bias = Bias::Some(B::float_reshape(values([1, CLASSES], device), Shape::new([CLASSES])));
        let targets = class_indices(targets, device);
        let read = |tensor| read_sync(B::float_into_data(tensor)).expect("the result can be read");
        let all = in_chunks(targets, hidden, weight, bias, required, chunk_rows);
        let gradients = [all.grad_hidden, all.grad_weight, all.grad_bias].into_iter();
        (read(all.loss), gradients.filter(|gradient| gradient.shape().num_elements() > 0).map(read).collect())
    }

    #[test]
    fn the_chunk_size_does_not_change_the_result() {
        for device in cube_devices() {
            for tied in [false, true] {
                let (loss, gradients) = run(TARGETS, tied, [true; 3], ROWS, &device);
                for chunk_rows in [1, 3, 4, 6] {
                    let what = format!("{chunk_rows} rows in a chunk, tied {tied}");
                    let (found, grads) = run(TARGETS, tied, [true; 3], chunk_rows, &device);
                    assert_close_data(&format!("loss, {what}"), &found, &loss, ROUNDING);
                    assert_eq!((grads.len(), gradients.len()), (3, 3));
                    for (found, expected) in grads.iter().zip(&gradients) {
                        assert_close_data(&format!("gradient, {what}"), found, expected, ROUNDING);
                    }
                    let (alone, empty) = run(TARGETS, tied, [false; 3], chunk_rows, &device);
                    alone.assert_eq(&found, true);
                    assert!(empty.is_empty());
                }
            }
        }
    }

    #[test]
    fn gradients_that_are_not_required_are_empty() {
        for device in cube_devices() {
            let (_, all) = run(TARGETS, false, [true; 3], 3, &device);
            for (at, required) in
                [[true, false, false], [false, true, false], [false, false, true]].into_iter().enumerate()
            {
                let (_, found) = run(TARGETS, false, required, 3, &device);
                assert_eq!(found, all[at..=at]);
            }
        }
    }

    #[test]
    fn the_last_chunk_may_have_fewer_rows() {
        for device in cube_devices() {
            let hidden = values([ROWS, D_HIDDEN], &device);
            let sizes: Vec<usize> = chunks(class_indices(TARGETS, &device), hidden, CLASSES, 3)
                .map(|chunk| {
                    let rows = chunk.hidden.shape()[0];
                    assert_eq!((chunk.targets.shape()[0], chunk.neg_inv_rows.shape()[0]), (rows, rows));
                    rows
                })
                .collect();
            assert_eq!(sizes, [3, 3, 1]);
        }
    }

    #[test]
    fn an_invalid_target_affects_only_its_row_and_the_loss() {
        for device in cube_devices() {
            for invalid in [-1, CLASSES as i64, 1 << 30] {
                let mut targets = TARGETS;
                targets[4] = invalid;
                let (loss, gradients) = run(targets, false, [true; 3], 3, &device);
                assert!(loss.iter::<f32>().all(f32::is_nan), "{invalid}: {loss}");
                let grad_hidden: Vec<f32> = gradients[0].iter().collect();
                for (row, values) in grad_hidden.chunks(D_HIDDEN).enumerate() {
                    assert!(values.iter().all(|value| value.is_nan() == (row == 4)), "{invalid}: row {row}");
                }
            }
        }
    }

    #[test]
    fn chunks_are_even_and_limited() {
        assert_eq!(chunk_rows(10, 50_000), 10);
        let rows = chunk_rows(16_384, 50_257);
        assert_eq!((rows, 16_384_usize.div_ceil(rows)), (328, 50));
        assert!(rows * 50_257 <= MAX_LOGITS);
        assert_eq!(chunk_rows(1000, 4 * MAX_LOGITS), 16);
    }
}
