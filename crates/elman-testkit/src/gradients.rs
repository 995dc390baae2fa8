use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Gradients, Tensor, TensorData},
};

/// The gradients of all parameters of a module, in the order of the parameters.
pub fn gradients_of<M: Module>(module: &M, gradients: &Gradients) -> Vec<TensorData> {
    let mut all = CollectGradients(gradients, Vec::new());
    module.visit(&mut all);
    all.1
}

struct CollectGradients<'a>(&'a Gradients, Vec<TensorData>);

impl ModuleVisitor for CollectGradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.1.extend(param.val().grad(self.0).map(Tensor::into_data));
    }
}
