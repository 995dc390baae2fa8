use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{FloatDType, Tensor},
};

/// Casts the parameters of a module to another dtype. Its inputs must then have that dtype too.
///
/// On GPUs, recurrent networks have kernels for f16 and bf16: stored values need half the memory and bandwidth, while
/// sums, states and cells are computed in f32. Gradients below 6e-8 underflow in f16, so use loss scaling: multiply the
/// loss by a few thousand before backward, and divide the gradients by it (Micikevicius et al. 2018).
///
/// ```
/// use burn::tensor::{DType, Device, FloatDType};
/// use elman_layers::{DenseConfig, cast};
///
/// # #[cfg(feature = "flex")] {
/// let dense = cast(DenseConfig::new(4, 3).init(&Device::flex()), FloatDType::F64);
/// assert_eq!(dense.linear.weight.dtype(), DType::F64);
/// # }
/// ```
pub fn cast<M: Module>(module: M, dtype: FloatDType) -> M {
    module.map(&mut Cast(dtype))
}

struct Cast(FloatDType);

impl ModuleMapper for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| {
            let (is_trained, strategy) = (tensor.is_require_grad(), tensor.gradient_checkpointing_strategy());
            let stored = tensor.inner().cast(self.0);
            // a leaf of the graph, not a result of the cast
            let stored = match strategy {
                Some(strategy) => stored.autodiff().with_gradient_checkpointing_strategy(strategy),
                None => stored,
            };
            if is_trained { stored.require_grad() } else { stored }
        })
    }
}
