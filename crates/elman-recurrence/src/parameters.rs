//! What parameters a module has, without drawing those that have not been drawn yet.

use burn::{
    module::{Module, ModuleVisitor, Param},
    store::{BurnToPyTorchAdapter, ModuleAdapter, ModuleContext, bridge, burn_pack},
    tensor::{Bool, DType, Int, Shape, Tensor},
};

/// The name within the module and, in PyTorch's layout, the shape of each parameter.
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
        // the adapter, which knows PyTorch's layout, takes a tensor whose data nobody asks for
        let nothing = || Err(burn_pack::Error::ValidationError("a parameter without data".into()));
        let tensor = bridge::deferred(self.path.join("."), dtype, shape, None, nothing);
        let tensor = BurnToPyTorchAdapter.adapt(tensor, ModuleContext::new(&self.containers));
        self.found.push((tensor.name, tensor.shape.to_vec()));
    }
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.containers.push(container.into());
        // the name of an enum's variant is no part of a path
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
    fn names_and_shapes_are_those_of_the_drawn_module() {
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
            let drawn: Vec<_> = weights.shapes().map(|(name, shape)| (name.to_owned(), shape.to_vec())).collect();
            assert_eq!(names, drawn, "{cell}");
        }
    }

    #[test]
    fn nothing_is_drawn() {
        // 4·10¹² numbers
        let network = NetworkConfig::new(CellKind::Lstm, 1 << 16, 1 << 16).with_layers(100);
        let found = parameters(&network.init(&devices().remove(0).device));
        assert_eq!(found[0], ("layers.0.directions.0.weight_ih".into(), vec![1 << 18, 1 << 16]));
    }
}
