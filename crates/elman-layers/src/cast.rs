use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{FloatDType, Tensor},
};

/// The module with its parameters stored as numbers of another type. Its inputs then have to be of that type too.
///
/// On graphics cards, recurrent networks of 16 bits have kernels as those of 32 have: what is stored takes half of the memory
/// and of its bandwidth, and sums, states and what a cell does stay float32. Gradients below 6e-8 are zero in float16, so a loss
/// is best multiplied with some thousands before its gradients are taken, and these divided by it (Micikevicius et al. 2018).
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
