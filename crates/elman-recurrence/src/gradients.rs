use std::collections::HashSet;

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Gradients, Tensor, TensorData},
};

use crate::state_dict::StateDict;

/// Every parameter of a module and the gradient by it, sorted by name: names and layouts are PyTorch's, as in a [`StateDict`]. A
/// parameter that the loss does not depend on, or that is not trained, has no gradient.
///
/// What is returned are copies of the numbers, made one parameter at a time.
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
///     let gradient = gradient.expect("all are trained");
///     assert_eq!(gradient.shape(), parameter.shape());
///     println!("{name}: {gradient}"); // bias_hh_l0, bias_ih_l0, weight_hh_l0, weight_ih_l0
/// }
/// ```
pub fn named_gradients<M: Module>(
    module: &M,
    gradients: &Gradients,
) -> impl Iterator<Item = (String, TensorData, Option<TensorData>)> + use<M> {
    let parameters = StateDict::from_module(module);
    let gradients = StateDict::from_module(&module.clone().map(&mut InPlace(gradients)));
    let names: Vec<String> = parameters.shapes().map(|(name, _)| name.to_owned()).collect();
    let there = gradients.shapes().filter(|(_, shape)| !shape.contains(&0));
    let there: HashSet<String> = there.map(|(name, _)| name.to_owned()).collect();
    names.into_iter().map(move |name| {
        let of = |all: &StateDict| all.data(&name).ok().flatten().expect("it is in memory");
        let gradient = there.contains(&name).then(|| of(&gradients));
        (name.clone(), of(&parameters), gradient)
    })
}

/// Puts gradients into the places of parameters, and tensors without numbers where there is none.
struct InPlace<'a>(&'a Gradients);

impl ModuleMapper for InPlace<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| {
            tensor.grad(self.0).unwrap_or_else(|| Tensor::zeros([0; D], &tensor.device().without_autodiff()))
        })
    }
}
