//! The loss on a graphics card: a few rows of logits at a time, by burn's own operations.
//!
//! Nothing is read back, so the device is never waited for.

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

/// How many logits are held at a time: 64 MiB. Each piece adds to the whole of the weight's gradient, so smaller ones cost
/// more.
const LOGITS: usize = 1 << 24;

/// As few even pieces as hold at most [`LOGITS`] each, or 16 rows.
fn rows_at_a_time(rows: usize, classes: usize) -> usize {
    let most = (LOGITS / classes).max(16);
    rows.div_ceil(rows.div_ceil(most))
}

/// What every piece reads.
struct Output {
    /// `[H, V]`
    weight: Float,
    /// `[1, V]`
    bias: Option<Float>,
    /// Of all rows.
    rows: usize,
}

/// Some rows of the problem.
struct Piece {
    /// `[n, H]`
    hidden: Float,
    /// `[n, 1]`, each below `V`
    targets: Int,
    /// `[n, 1]`: `−1/N`, NaN where the target was no class
    minus: Float,
}

/// A piece's softmax before it is divided by its sums.
struct Softmax {
    /// `exp(logit − the row's largest)`, `[n, V]`
    exponentials: Float,
    /// `[n, 1]`
    sums: Float,
}

impl Output {
    /// The piece's share of the mean loss, `[1, 1]`.
    fn forward(&self, piece: &Piece) -> (Float, Softmax) {
        let products = B::float_matmul(piece.hidden.clone(), self.weight.clone());
        let logits = match &self.bias {
            Some(bias) => B::float_add(products, bias.clone()),
            None => products,
        };
        let largest = B::float_max_dim(logits.clone(), 1);
        let shifted = B::float_sub(logits, largest);
        let right = B::float_gather(1, shifted.clone(), piece.targets.clone());
        let exponentials = B::float_exp(shifted);
        let sums = B::float_sum_dim(exponentials.clone(), 1);
        let log_probabilities = B::float_sub(right, B::float_log(sums.clone()));
        let loss = B::float_sum_dim(B::float_mul(log_probabilities, piece.minus.clone()), 0);
        (loss, Softmax { exponentials, sums })
    }

    /// The mean loss's gradient by the piece's logits, `(softmax − one-hot)/N`, `[n, V]`.
    fn by_logits(&self, piece: &Piece, Softmax { exponentials, sums }: Softmax) -> Float {
        let sums = B::float_mul_scalar(sums, (self.rows as f64).into());
        let softmax = B::float_div(exponentials, sums);
        B::float_scatter(1, softmax, piece.targets.clone(), piece.minus.clone(), IndexingUpdateOp::Add)
    }
}

/// The problem in pieces of so many rows, the last of which may have fewer.
fn pieces(targets: Int, hidden: Float, classes: usize, rows_at_a_time: usize) -> impl Iterator<Item = Piece> {
    let (device, rows) = (hidden.device(), hidden.shape()[0]);
    let column = Shape::new([rows, 1]);
    let targets = B::int_reshape(targets, column.clone());
    // an index beyond the classes would be written to, wherever that is
    let within = B::int_clamp(targets.clone(), 0.into(), (classes - 1).into());
    let astray = B::int_not_equal(targets, within.clone(), device.defaults().bool_dtype);
    let minus = B::float_full(column, (-1.0 / rows as f64).into(), &device, FloatDType::F32);
    let minus = B::float_mask_fill(minus, astray, f32::NAN.into());
    (0..rows).step_by(rows_at_a_time).map(move |from| {
        let slices = [Slice::from(from..rows.min(from + rows_at_a_time)), Slice::from(..)];
        Piece {
            hidden: B::float_slice(hidden.clone(), &slices),
            targets: B::int_slice(within.clone(), &slices),
            minus: B::float_slice(minus.clone(), &slices),
        }
    })
}

fn add(sum: Option<Float>, next: Float) -> Option<Float> {
    Some(match sum {
        Some(sum) => B::float_add(sum, next),
        None => next,
    })
}

fn in_pieces(
    targets: Int,
    hidden: Float,
    weight: Float,
    bias: Bias<B>,
    wanted: [bool; 3],
    rows_at_a_time: usize,
) -> Loss<B> {
    let device = hidden.device();
    let (rows, classes) = (hidden.shape()[0], weight.shape()[1]);
    // lies in memory as `[V, H]`, as its gradient then shall
    let tied = !weight.is_contiguous();
    let bias = match bias {
        Bias::Of(bias) => Some(B::float_reshape(bias, Shape::new([1, classes]))),
        Bias::None => None,
    };
    let output = Output { bias, weight, rows };
    let (mut loss, mut by_hidden, mut by_weight, mut by_bias) = (None, Vec::new(), None, None);
    for piece in pieces(targets, hidden, classes, rows_at_a_time) {
        let (its_loss, softmax) = output.forward(&piece);
        loss = add(loss, its_loss);
        if wanted == [false; 3] {
            continue;
        }
        let by_logits = output.by_logits(&piece, softmax);
        if wanted[0] {
            by_hidden.push(B::float_matmul(by_logits.clone(), B::float_transpose(output.weight.clone())));
        }
        if wanted[1] {
            let next = match tied {
                true => B::float_matmul(B::float_transpose(by_logits.clone()), piece.hidden),
                false => B::float_matmul(B::float_transpose(piece.hidden), by_logits.clone()),
            };
            by_weight = add(by_weight, next);
        }
        if wanted[2] {
            by_bias = add(by_bias, B::float_sum_dim(by_logits, 0));
        }
    }
    let loss = B::float_reshape(loss.expect("there is a row"), Shape::new([1]));
    let by_hidden = wanted[0].then(|| B::float_cat(by_hidden, 0));
    let by_weight = by_weight.map(|by_weight| if tied { B::float_transpose(by_weight) } else { by_weight });
    let by_bias = by_bias.map(|by_bias| B::float_reshape(by_bias, Shape::new([classes])));
    let nothing = || B::float_empty(Shape::new([0]), &device, FloatDType::F32);
    Loss {
        loss,
        by_hidden: by_hidden.unwrap_or_else(nothing),
        by_weight: by_weight.unwrap_or_else(nothing),
        by_bias: by_bias.unwrap_or_else(nothing),
    }
}

impl OutputKernels for B {
    fn output_gradients(targets: Int, hidden: Float, weight: Float, bias: Bias<Self>, wanted: [bool; 3]) -> Loss<Self> {
        let rows_at_a_time = rows_at_a_time(hidden.shape()[0], weight.shape()[1]);
        in_pieces(targets, hidden, weight, bias, wanted, rows_at_a_time)
    }

    /// Without a look at the factor, which would wait for the device.
    fn output_scaled(gradient: Float, by: Float) -> Float {
        let axes = gradient.shape().num_dims();
        Self::float_mul(gradient, Self::float_reshape(by, Shape::from(vec![1; axes])))
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

    /// Another order of float32 sums.
    const ROUNDING: Tolerance = Tolerance { relative: 1e-5, absolute: 1e-7 };

    const ROWS: usize = 7;
    const D_HIDDEN: usize = 5;
    const CLASSES: usize = 11;
    const TARGETS: [i64; ROWS] = [0, 10, 3, 3, 7, 1, 10];

    fn cards() -> impl Iterator<Item = Device> {
        devices().into_iter().map(|device| device.device).filter(is_cube)
    }

    /// Numbers of both signs, the same for the same shape: a device's generator is shared by tests that run at once.
    fn numbers(shape: [usize; 2], device: &Device) -> Float {
        let DispatchDevice::Cube(card) = device.as_dispatch().clone() else { panic!("no card") };
        let numbers = (0..shape[0] * shape[1]).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
        B::float_from_data(TensorData::new::<f32, _>(numbers, shape), &card)
    }

    fn class_numbers(targets: [i64; ROWS], device: &Device) -> Int {
        let DispatchDevice::Cube(card) = device.as_dispatch().clone() else { panic!("no card") };
        let dtype = card.defaults().int_dtype.into();
        B::int_from_data(TensorData::from(targets).convert_dtype(dtype), &card)
    }

    /// The loss, and the gradients that are wanted.
    fn run(
        targets: [i64; ROWS],
        tied: bool,
        wanted: [bool; 3],
        rows_at_a_time: usize,
        device: &Device,
    ) -> (TensorData, Vec<TensorData>) {
        let hidden = numbers([ROWS, D_HIDDEN], device);
        let weight = match tied {
            true => B::float_transpose(numbers([CLASSES, D_HIDDEN], device)),
            false => numbers([D_HIDDEN, CLASSES], device),
        };
        let bias = Bias::Of(B::float_reshape(numbers([1, CLASSES], device), Shape::new([CLASSES])));
        let targets = class_numbers(targets, device);
        let read = |tensor| read_sync(B::float_into_data(tensor)).expect("the device has worked");
        let all = in_pieces(targets, hidden, weight, bias, wanted, rows_at_a_time);
        let gradients = [all.by_hidden, all.by_weight, all.by_bias].into_iter();
        (read(all.loss), gradients.filter(|gradient| gradient.shape().num_elements() > 0).map(read).collect())
    }

    #[test]
    fn pieces_of_any_size_give_what_one_gives() {
        for device in cards() {
            for tied in [false, true] {
                let (loss, gradients) = run(TARGETS, tied, [true; 3], ROWS, &device);
                for rows_at_a_time in [1, 3, 4, 6] {
                    let what = format!("{rows_at_a_time} rows at a time, tied {tied}");
                    let (found, by_each) = run(TARGETS, tied, [true; 3], rows_at_a_time, &device);
                    assert_close_data(&format!("loss, {what}"), &found, &loss, ROUNDING);
                    assert_eq!((by_each.len(), gradients.len()), (3, 3));
                    for (found, expected) in by_each.iter().zip(&gradients) {
                        assert_close_data(&format!("gradient, {what}"), found, expected, ROUNDING);
                    }
                    let (alone, nothing) = run(TARGETS, tied, [false; 3], rows_at_a_time, &device);
                    alone.assert_eq(&found, true);
                    assert!(nothing.is_empty());
                }
            }
        }
    }

    #[test]
    fn what_is_not_wanted_is_not_made() {
        for device in cards() {
            let (_, all) = run(TARGETS, false, [true; 3], 3, &device);
            for (at, wanted) in
                [[true, false, false], [false, true, false], [false, false, true]].into_iter().enumerate()
            {
                let (_, found) = run(TARGETS, false, wanted, 3, &device);
                assert_eq!(found, all[at..=at]);
            }
        }
    }

    #[test]
    fn the_last_piece_may_have_fewer_rows() {
        for device in cards() {
            let hidden = numbers([ROWS, D_HIDDEN], &device);
            let sizes: Vec<usize> = pieces(class_numbers(TARGETS, &device), hidden, CLASSES, 3)
                .map(|piece| {
                    let rows = piece.hidden.shape()[0];
                    assert_eq!((piece.targets.shape()[0], piece.minus.shape()[0]), (rows, rows));
                    rows
                })
                .collect();
            assert_eq!(sizes, [3, 3, 1]);
        }
    }

    #[test]
    fn a_target_that_is_no_class_is_seen_in_the_loss_and_writes_nowhere_else() {
        for device in cards() {
            for astray in [-1, CLASSES as i64, 1 << 30] {
                let mut targets = TARGETS;
                targets[4] = astray;
                let (loss, gradients) = run(targets, false, [true; 3], 3, &device);
                assert!(loss.iter::<f32>().all(f32::is_nan), "{astray}: {loss}");
                let by_hidden: Vec<f32> = gradients[0].iter().collect();
                for (row, numbers) in by_hidden.chunks(D_HIDDEN).enumerate() {
                    assert!(numbers.iter().all(|number| number.is_nan() == (row == 4)), "{astray}: row {row}");
                }
            }
        }
    }

    #[test]
    fn pieces_are_even_and_hold_no_more_than_they_may() {
        assert_eq!(rows_at_a_time(10, 50_000), 10);
        let rows = rows_at_a_time(16_384, 50_257);
        assert_eq!((rows, 16_384_usize.div_ceil(rows)), (328, 50));
        assert!(rows * 50_257 <= LOGITS);
        assert_eq!(rows_at_a_time(1000, 4 * LOGITS), 16);
    }
}
