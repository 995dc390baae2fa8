//! Outputs, hidden activations and every gradient against PyTorch, by `golden/layers.py`.

use burn::{
    module::Param,
    tensor::{Device, Tensor},
};
use elman_activations::Activation;
use elman_layers::{Dense, DenseConfig, FeedForward, FeedForwardConfig};
use elman_testkit::{Golden, Tolerance, assert_close, devices};

/// Sums of a few products in f32; GPUs also approximate the activations.
const VALUES: Tolerance = Tolerance { relative: 5e-6, absolute: 0.0 };
/// As [`VALUES`], through up to three layers.
const GRADIENTS: Tolerance = Tolerance { relative: 2e-5, absolute: 0.0 };

/// One case of the golden file, on one device.
struct Case<'a> {
    golden: &'a Golden,
    name: String,
    device: Device,
}

impl Case<'_> {
    fn tensor<const D: usize>(&self, tensor: &str) -> Tensor<D> {
        self.golden.tensor(&format!("{} {tensor}", self.name), &self.device)
    }

    /// Gives layer `i` its weights; PyTorch's are `[d_output, d_input]`, burn's `[d_input, d_output]`.
    fn load(&self, i: usize, layer: &mut Dense) {
        layer.linear.weight = Param::from_tensor(self.tensor::<2>(&format!("{i}.weight")).transpose());
        let bias = layer.linear.bias.is_some().then(|| Param::from_tensor(self.tensor(&format!("{i}.bias"))));
        layer.linear.bias = bias;
    }

    /// Checks the output and the gradients of `x` and of each layer's parameters.
    fn check(&self, x: Tensor<3>, y: Tensor<3>, layers: &[Dense]) {
        let label = |what: &str| format!("{} {what} on {:?}", self.name, self.device);
        assert_close(&label("y"), &y, &self.tensor("y"), VALUES);
        let grads = (y * self.tensor("dy")).sum().backward();
        // gradients are tensors without autodiff
        let dx = x.grad(&grads).expect("a gradient of x");
        assert_close(&label("d x"), &dx, &self.tensor("d x").inner(), GRADIENTS);
        for (i, layer) in layers.iter().enumerate() {
            let dw = layer.linear.weight.grad(&grads).expect("a gradient of the weight").transpose();
            let name = format!("d {i}.weight");
            assert_close(&label(&name), &dw, &self.tensor(&name).inner(), GRADIENTS);
            if let Some(bias) = &layer.linear.bias {
                let name = format!("d {i}.bias");
                let db = bias.grad(&grads).expect("a gradient of the bias");
                assert_close(&label(&name), &db, &self.tensor(&name).inner(), GRADIENTS);
            }
        }
    }
}

fn each_case(kind: &str, run: impl Fn(Case<'_>, Activation, bool)) {
    let golden = Golden::open("tests/golden/layers.safetensors");
    let names: Vec<String> =
        golden.names().iter().filter_map(|n| n.strip_suffix(" x")?.strip_prefix(kind).map(str::to_owned)).collect();
    let mut cases = 0;
    for device in devices() {
        for name in names.iter().filter(|name| !name.ends_with(" d")) {
            let (activation, bias) = name.trim().split_once(' ').expect("an activation and a bias");
            let case = Case { golden: &golden, name: format!("{kind}{name}"), device: device.autodiff() };
            run(case, activation.parse().expect("an activation"), bias == "bias");
            cases += 1;
        }
    }
    assert!(cases > 0, "no case of {kind}");
}

#[test]
fn dense() {
    each_case("dense", |case, activation, bias| {
        let mut dense: Dense = DenseConfig::new(4, 6).with_bias(bias).with_activation(activation).init(&case.device);
        case.load(0, &mut dense);
        let x = case.tensor::<3>("x").require_grad();
        case.check(x.clone(), dense.forward(x), &[dense]);
    });
}

#[test]
fn feed_forward() {
    each_case("feed_forward", |case, activation, bias| {
        let config = FeedForwardConfig::new([4, 7, 6, 3]).with_bias(bias).with_activation(activation);
        let mut network: FeedForward = config.with_output_activation(Activation::Sigmoid).init(&case.device);
        for (i, layer) in network.layers.iter_mut().enumerate() {
            case.load(i, layer);
        }
        let x = case.tensor::<3>("x").require_grad();
        let (y, hidden) = network.forward_hidden(x.clone());
        assert_eq!(hidden.len(), 2);
        for (i, h) in hidden.iter().enumerate() {
            assert_close(&format!("{} hidden.{i}", case.name), h, &case.tensor(&format!("hidden.{i}")), VALUES);
        }
        case.check(x, y, &network.layers);
    });
}
