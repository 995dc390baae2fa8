//! Names and shapes of a module's parameters, without initializing lazy parameters.

use burn::{
    module::{Module, ModuleVisitor, Param},
    store::{BurnToPyTorchAdapter, ModuleAdapter, ModuleContext, bridge, burn_pack},
    tensor::{Bool, DType, Int, Shape, Tensor},
};

/// The path of each parameter in the module, and its shape in PyTorch's layout.
pub(crate) fn parameters<M: Module>(module: &M) -> Vec<(String, Vec<usize>)> {
    let mut collector = Collector::default();
    module.visit(&mut collector);
    collector.found
}

#[derive(Default)]
struct Collector {
    found: Vec<(String, Vec<usize>)>,
    path: Vec<String>,
    containers: Vec<String>,
}

impl Collector {
    fn add(&mut self, shape: Shape, dtype: DType) {
        // the adapter computes PyTorch's layout from a tensor whose data is never read
        let no_data = || Err(burn_pack::Error::ValidationError("the parameter has no data".into()));
        let tensor = bridge::deferred(self.path.join("."), dtype, shape, None, no_data);
        let tensor = BurnToPyTorchAdapter.adapt(tensor, ModuleContext::new(&self.containers));
        self.found.push((tensor.name, tensor.shape.to_vec()));
    }
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.containers.push(container.into());
        // an enum's variant is not part of the path
        if !container.starts_with("Enum:") {
            self.path.push(name.into());
        }
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        self.containers.pop();
        if !container.starts_with("Enum:") {
            self.path.pop();
        }
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.add(param.lazy_shape(), DType::F32);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.add(param.lazy_shape(), DType::I64);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.add(param.lazy_shape(), DType::U8);
    }
}

#[cfg(test)]
mod tests {
    use elman_testkit::devices;

    use super::*;
    use crate::{CellKind, NetworkConfig, StateDict};

    #[test]
    fn names_and_shapes_equal_those_of_the_initialized_module() {
        let device = devices().remove(0).device;
        for cell in CellKind::ALL {
            let config = NetworkConfig::new(cell, 3, 5).with_layers(2).with_bidirectional(true);
            let network = config.init(&device);
            let mut names: Vec<_> = parameters(&network)
                .into_iter()
                .map(|(name, shape)| (crate::state_dict::torch_name(&name), shape))
                .collect();
            names.sort();
            let weights = StateDict::from_module(&network);
            let expected: Vec<_> = weights.shapes().map(|(name, shape)| (name.to_owned(), shape.to_vec())).collect();
            assert_eq!(names, expected, "{cell}");
        }
    }

    #[test]
    fn parameters_are_not_initialized() {
        // 4·10¹² values
        let network = NetworkConfig::new(CellKind::Lstm, 1 << 16, 1 << 16).with_layers(100);
        let found = parameters(&network.init(&devices().remove(0).device));
        assert_eq!(found[0], ("layers.0.directions.0.weight_ih".into(), vec![1 << 18, 1 << 16]));
    }
}
