//! The loss on a processor: the kernel of `elman-cpu`.

use burn::backend::{
    TensorMetadata, read_sync,
    tensor::{FloatTensor, IntTensor},
};
use elman_cpu::{Isa, LinearCrossEntropy, LinearCrossEntropyInto, linear_cross_entropy};

use super::extension::{Bias, Loss, OutputKernels, OutputLoss};
use crate::cpu::CpuBackend;

/// What the kernel reads.
struct From<B: CpuBackend> {
    hidden: B::Values,
    weight: B::Values,
    bias: Vec<f32>,
    targets: Vec<usize>,
    /// Whether the weight lies in memory as `[V, H]`.
    tied: bool,
}

impl<B: CpuBackend> From<B> {
    fn of(targets: IntTensor<B>, hidden: FloatTensor<B>, weight: FloatTensor<B>, bias: Bias<B>) -> Self {
        let beyond = usize::MAX; // no class, which the kernel says
        let targets = read_sync(B::int_into_data(targets)).expect("a processor's numbers can be read");
        let targets = targets.iter::<i64>().map(|target| target.try_into().unwrap_or(beyond)).collect();
        let classes = weight.shape()[1];
        let turned = B::float_transpose(weight.clone());
        let tied = !B::is_row_major(&weight) && B::is_row_major(&turned);
        Self {
            hidden: B::values(hidden),
            weight: B::values(if tied { turned } else { weight }),
            bias: match bias {
                Bias::Of(bias) => B::values(bias).to_vec(),
                Bias::None => vec![0.0; classes],
            },
            targets,
            tied,
        }
    }

    fn read(&self) -> LinearCrossEntropy<'_> {
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
    let from = From::<B>::of(targets, hidden, weight, bias);
    B::tensor(vec![linear_cross_entropy(Isa::best(), from.read(), None)], [1], &device)
}

fn gradients<B: CpuBackend>(
    targets: IntTensor<B>,
    hidden: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Bias<B>,
    wanted: [bool; 3],
) -> Loss<B> {
    let device = hidden.device();
    let [of_hidden, of_weight] = [hidden.shape(), weight.shape()];
    let from = From::<B>::of(targets, hidden, weight, bias);
    let [mut by_hidden, mut by_weight, mut by_bias] =
        [from.hidden.len(), from.weight.len(), from.bias.len()].map(|len| vec![0.0; len]);
    let into = LinearCrossEntropyInto { hidden: &mut by_hidden, weight: &mut by_weight, bias: &mut by_bias };
    let loss = linear_cross_entropy(Isa::best(), from.read(), Some(into));
    let [d_hidden, classes] = of_weight.dims();
    let by_weight = match from.tied {
        true => B::float_transpose(B::tensor(by_weight, [classes, d_hidden], &device)),
        false => B::tensor(by_weight, [d_hidden, classes], &device),
    };
    let if_wanted = |n: usize, gradient| if wanted[n] { gradient } else { B::tensor(Vec::new(), [0], &device) };
    Loss {
        loss: B::tensor(vec![loss], [1], &device),
        by_hidden: if_wanted(0, B::tensor(by_hidden, of_hidden, &device)),
        by_weight: if_wanted(1, by_weight),
        by_bias: if_wanted(2, B::tensor(by_bias, [classes], &device)),
    }
}

fn scaled<B: CpuBackend>(gradient: FloatTensor<B>, by: FloatTensor<B>) -> FloatTensor<B> {
    let factor = B::values(by)[0];
    if factor == 1.0 { gradient } else { B::float_mul_scalar(gradient, factor.into()) }
}

macro_rules! on_host {
    ($backend:ty) => {
        impl OutputKernels for $backend {
            fn output_gradients(
                targets: IntTensor<Self>,
                hidden: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: Bias<Self>,
                wanted: [bool; 3],
            ) -> Loss<Self> {
                gradients::<Self>(targets, hidden, weight, bias, wanted)
            }

            fn output_scaled(gradient: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self> {
                scaled::<Self>(gradient, by)
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
on_host!(burn::backend::Flex);
#[cfg(feature = "ndarray")]
on_host!(burn::backend::NdArray);
