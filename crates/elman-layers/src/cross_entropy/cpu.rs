//! The loss on a CPU: the kernel of `elman-cpu`.

use burn::backend::{
    TensorMetadata, read_sync,
    tensor::{FloatTensor, IntTensor},
};
use elman_cpu::{Isa, LinearCrossEntropy, LinearCrossEntropyInto, linear_cross_entropy};

use super::extension::{Bias, Loss, OutputKernels, OutputLoss};
use crate::cpu::CpuBackend;

/// Inputs of the kernel.
struct Inputs<B: CpuBackend> {
    hidden: B::Values,
    weight: B::Values,
    bias: Vec<f32>,
    targets: Vec<usize>,
    /// Whether the memory layout of the weight is `[V, H]`.
    tied: bool,
}

impl<B: CpuBackend> Inputs<B> {
    fn new(targets: IntTensor<B>, hidden: FloatTensor<B>, weight: FloatTensor<B>, bias: Bias<B>) -> Self {
        let invalid = usize::MAX; // the kernel reports it
        let targets = read_sync(B::int_into_data(targets)).expect("CPU tensors can be read");
        let targets = targets.iter::<i64>().map(|target| target.try_into().unwrap_or(invalid)).collect();
        let classes = weight.shape()[1];
        let transposed = B::float_transpose(weight.clone());
        let tied = !B::is_row_major(&weight) && B::is_row_major(&transposed);
        Self {
            hidden: B::values(hidden),
            weight: B::values(if tied { transposed } else { weight }),
            bias: match bias {
                Bias::Some(bias) => B::values(bias).to_vec(),
                Bias::None => vec![0.0; classes],
            },
            targets,
            tied,
        }
    }

    fn as_kernel_input(&self) -> LinearCrossEntropy<'_> {
        let Self { hidden, weight, bias, targets, tied } = self;
        LinearCrossEntropy { hidden, weight, bias, targets, tied: *tied }
    }
}

fn loss<B: CpuBackend>(
    targets: IntTensor<B>,
    hidden: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Bias<B>,
) -> FloatTensor<B> {
    let device = hidden.device();
    let inputs = Inputs::<B>::new(targets, hidden, weight, bias);
    B::tensor(vec![linear_cross_entropy(Isa::best(), inputs.as_kernel_input(), None)], [1], &device)
}

fn gradients<B: CpuBackend>(
    targets: IntTensor<B>,
    hidden: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Bias<B>,
    required: [bool; 3],
) -> Loss<B> {
    let device = hidden.device();
    let [hidden_shape, weight_shape] = [hidden.shape(), weight.shape()];
    let inputs = Inputs::<B>::new(targets, hidden, weight, bias);
    let [mut grad_hidden, mut grad_weight, mut grad_bias] =
        [inputs.hidden.len(), inputs.weight.len(), inputs.bias.len()].map(|len| vec![0.0; len]);
    let outputs = LinearCrossEntropyInto { hidden: &mut grad_hidden, weight: &mut grad_weight, bias: &mut grad_bias };
    let loss = linear_cross_entropy(Isa::best(), inputs.as_kernel_input(), Some(outputs));
    let [d_hidden, classes] = weight_shape.dims();
    let grad_weight = match inputs.tied {
        true => B::float_transpose(B::tensor(grad_weight, [classes, d_hidden], &device)),
        false => B::tensor(grad_weight, [d_hidden, classes], &device),
    };
    let if_required = |n: usize, gradient| if required[n] { gradient } else { B::tensor(Vec::new(), [0], &device) };
    Loss {
        loss: B::tensor(vec![loss], [1], &device),
        grad_hidden: if_required(0, B::tensor(grad_hidden, hidden_shape, &device)),
        grad_weight: if_required(1, grad_weight),
        grad_bias: if_required(2, B::tensor(grad_bias, [classes], &device)),
    }
}

fn scaled<B: CpuBackend>(gradient: FloatTensor<B>, factor: FloatTensor<B>) -> FloatTensor<B> {
    let factor = B::values(factor)[0];
    if factor == 1.0 { gradient } else { B::float_mul_scalar(gradient, factor.into()) }
}

macro_rules! on_cpu {
    ($backend:ty) => {
        impl OutputKernels for $backend {
            fn output_gradients(
                targets: IntTensor<Self>,
                hidden: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: Bias<Self>,
                required: [bool; 3],
            ) -> Loss<Self> {
                gradients::<Self>(targets, hidden, weight, bias, required)
            }

            fn output_scaled(gradient: FloatTensor<Self>, factor: FloatTensor<Self>) -> FloatTensor<Self> {
                scaled::<Self>(gradient, factor)
            }
        }

        impl OutputLoss for $backend {
            fn output_loss(
                targets: IntTensor<Self>,
                hidden: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: Bias<Self>,
            ) -> FloatTensor<Self> {
                loss::<Self>(targets, hidden, weight, bias)
            }
        }
    };
}

#[cfg(feature = "flex")]
on_cpu!(burn::backend::Flex);
#[cfg(feature = "ndarray")]
on_cpu!(burn::backend::NdArray);
