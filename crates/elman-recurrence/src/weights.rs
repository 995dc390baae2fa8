use burn::{
    module::{Initializer, Module, Param},
    tensor::{Device, Tensor},
};

use crate::{cell::Cell, stack::DirectionWeights};

/// The weights of one layer in one direction, packed and named as in PyTorch; gains are elman's own.
///
/// Legend: `G` gates, `H` hidden units, `I` inputs, `P` outputs (`H`, or the width of the projection).
#[derive(Module, Debug)]
pub struct Weights {
    /// `[G·H, I]`, applied to the input.
    pub weight_ih: Param<Tensor<2>>,
    /// `[G·H, P]`, applied to the previous hidden state; `None` for cells without a recurrent product.
    pub weight_hh: Option<Param<Tensor<2>>>,
    /// `[G·H]`.
    pub bias_ih: Option<Param<Tensor<1>>>,
    /// `[G·H]`.
    pub bias_hh: Option<Param<Tensor<1>>>,
    /// `[P, H]`, the projection.
    pub weight_hr: Option<Param<Tensor<2>>>,
    /// `[G·H]`, the gain of layer normalization of the input projection.
    pub gain_ih: Option<Param<Tensor<1>>>,
    /// `[G·H]`, the gain of layer normalization of the recurrent product.
    pub gain_hh: Option<Param<Tensor<1>>>,
}

/// Sizes and options of the weights of one direction of one layer.
pub(crate) struct Widths {
    pub d_input: usize,
    pub d_hidden: usize,
    pub projection: Option<usize>,
    pub bias: bool,
    pub norm: bool,
}

impl Weights {
    /// Uniform in ±1/√H, as in PyTorch; gains are 1.
    pub(crate) fn init<C: Cell>(widths: &Widths, device: &Device) -> Self {
        let bound = 1.0 / (widths.d_hidden as f64).sqrt();
        let uniform = Initializer::Uniform { min: -bound, max: bound };
        let rows = C::GATES * widths.d_hidden;
        let d_output = widths.projection.unwrap_or(widths.d_hidden);
        Self {
            weight_ih: uniform.init([rows, widths.d_input], device),
            weight_hh: C::RECURRENT.then(|| uniform.init([rows, d_output], device)),
            bias_ih: widths.bias.then(|| uniform.init([rows], device)),
            bias_hh: (widths.bias && C::RECURRENT).then(|| uniform.init([rows], device)),
            weight_hr: widths.projection.map(|p| uniform.init([p, widths.d_hidden], device)),
            gain_ih: widths.norm.then(|| Initializer::Ones.init([rows], device)),
            gain_hh: (widths.norm && C::RECURRENT).then(|| Initializer::Ones.init([rows], device)),
        }
    }

    /// The values of the parameters.
    pub(crate) fn tensors(&self) -> DirectionWeights {
        DirectionWeights {
            weight_ih: self.weight_ih.val(),
            weight_hh: self.weight_hh.as_ref().map(Param::val),
            bias_ih: self.bias_ih.as_ref().map(Param::val),
            bias_hh: self.bias_hh.as_ref().map(Param::val),
            weight_hr: self.weight_hr.as_ref().map(Param::val),
            gain_ih: self.gain_ih.as_ref().map(Param::val),
            gain_hh: self.gain_hh.as_ref().map(Param::val),
        }
    }
}
