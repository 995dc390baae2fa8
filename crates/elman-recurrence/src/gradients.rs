use std::collections::HashSet;

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Gradients, Tensor, TensorData},
};

use crate::state_dict::StateDict;

/// Every parameter of a module with its gradient, sorted by name. Names and layouts are PyTorch's, as in a
/// [`StateDict`]. A parameter has no gradient if it is frozen or the loss does not depend on it.
///
/// Returns copies of the values, made one parameter at a time.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use elman_recurrence::{GruConfig, named_gradients};
///
/// let gru = GruConfig::new(3, 4).init(&Device::flex().autodiff());
/// let (output, _) = gru.forward(Tensor::ones([2, 5, 3], &Device::flex()), None);
/// let gradients = output.sum().backward();
///
/// for (name, parameter, gradient) in named_gradients(&gru, &gradients) {
///     let gradient = gradient.expect("every parameter is trained");
///     assert_eq!(gradient.shape(), parameter.shape());
///     println!("{name}: {gradient}"); // bias_hh_l0, bias_ih_l0, weight_hh_l0, weight_ih_l0
/// }
/// ```
pub fn named_gradients<M: Module>(
    module: &M,
    gradients: &Gradients,
) -> impl Iterator<Item = (String, TensorData, Option<TensorData>)> + use<M> {
    let parameters = StateDict::from_module(module);
    let gradients = StateDict::from_module(&module.clone().map(&mut ReplaceByGradients(gradients)));
    let names: Vec<String> = parameters.shapes().map(|(name, _)| name.to_owned()).collect();
    let present = gradients.shapes().filter(|(_, shape)| !shape.contains(&0));
    let present: HashSet<String> = present.map(|(name, _)| name.to_owned()).collect();
    names.into_iter().map(move |name| {
        let data = |tensors: &StateDict| tensors.data(&name).ok().flatten().expect("the tensor is in memory");
        let gradient = present.contains(&name).then(|| data(&gradients));
        (name.clone(), data(&parameters), gradient)
    })
}

/// Replaces each parameter by its gradient, or by an empty tensor if it has none.
struct ReplaceByGradients<'a>(&'a Gradients);

impl ModuleMapper for ReplaceByGradients<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| {
            tensor.grad(self.0).unwrap_or_else(|| Tensor::zeros([0; D], &tensor.device().without_autodiff()))
        })
    }
}
