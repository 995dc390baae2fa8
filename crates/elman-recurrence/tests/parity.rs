//! Outputs, final states and all gradients of all kinds of layers against PyTorch, on all compiled-in devices.
//! `golden/recurrence.py` computed the expected values in f64.

use burn::{
    module::{Module, ModuleMapper, Param},
    optim::GradientsParams,
    tensor::{Device, Tensor},
};
use elman_activations::Activation;
use elman_recurrence::{
    ElmanNetworkConfig, GruConfig, LstmConfig, MinGruConfig, MinLstmConfig, Output, Reset, RnnConfig, Sequence, State,
    StateDict,
};
use elman_testkit::{Golden, Tolerance, assert_close, assert_close_data, devices};

const GOLDEN: &str = "tests/golden/recurrence.safetensors";
const LENGTHS: [usize; 3] = [2, 5, 3];
const D_INPUT: usize = 3;
const D_HIDDEN: usize = 4;

/// f32 rounding over five time steps and two layers.
const VALUES: Tolerance = Tolerance { relative: 1e-5, absolute: 1e-7 };
/// Gradients have twice as many roundings and more cancellation.
const GRADIENTS: Tolerance = Tolerance { relative: 1e-4, absolute: 1e-7 };

/// A case, with its options in its name: `lstm_proj-2-bi-nobias-ragged`.
struct Case<'a> {
    name: &'a str,
    kind: &'a str,
    layers: usize,
    bidirectional: bool,
    bias: bool,
    ragged: bool,
}

impl<'a> Case<'a> {
    fn parse(name: &'a str) -> Self {
        let parts: Vec<&str> = name.split('-').collect();
        let [kind, layers, directions, bias, lengths] = parts[..] else { panic!("case '{name}'") };
        Self {
            name,
            kind,
            layers: layers.parse().expect("number of layers"),
            bidirectional: directions == "bi",
            bias: bias == "bias",
            ragged: lengths == "ragged",
        }
    }

    fn check(&self, golden: &Golden, device: &Device) {
        macro_rules! run {
            ($config:expr) => {{
                let config =
                    $config.with_layers(self.layers).with_bidirectional(self.bidirectional).with_bias(self.bias);
                self.compare(golden, device, config.init(device), |net, x, sequence| net.forward_with(x, sequence))
            }};
        }
        match self.kind {
            "simple" => run!(ElmanNetworkConfig::new(D_INPUT, D_HIDDEN, 2)),
            "rnn_tanh" => run!(RnnConfig::new(D_INPUT, D_HIDDEN)),
            "rnn_relu" => run!(RnnConfig::new(D_INPUT, D_HIDDEN).with_activation(Activation::Relu)),
            "gru" => run!(GruConfig::new(D_INPUT, D_HIDDEN)),
            "gru_before" => run!(GruConfig::new(D_INPUT, D_HIDDEN).with_reset(Reset::Before)),
            "lstm" => run!(LstmConfig::new(D_INPUT, D_HIDDEN)),
            "lstm_proj" => run!(LstmConfig::new(D_INPUT, D_HIDDEN).with_projection(2)),
            "min_gru" => run!(MinGruConfig::new(D_INPUT, D_HIDDEN)),
            "min_lstm" => run!(MinLstmConfig::new(D_INPUT, D_HIDDEN)),
            kind => panic!("unknown kind '{kind}'"),
        }
    }

    fn compare<M: Module>(
        &self,
        golden: &Golden,
        device: &Device,
        net: M,
        forward: impl Fn(&M, Tensor<3>, Sequence) -> Output,
    ) {
        let name = |group: &str, tensor: &str| format!("{}.{group}.{tensor}", self.name);
        let weights = StateDict::open(GOLDEN).expect("golden file").under(&name("w", "").replace(".w.", ".w"));
        let net = weights.load_into(net).unwrap_or_else(|e| panic!("{}: {e}", self.name));
        let input = |n: &str| golden.tensor::<3>(&name("in", n), device).require_grad();
        let x = input("x");
        let states: Vec<Tensor<3>> =
            ["h", "c"].into_iter().filter(|n| golden.contains(&name("in", n))).map(input).collect();

        let mut sequence = Sequence::new().with_state(State::new(states.clone()));
        if self.ragged {
            sequence = sequence.with_lengths(&LENGTHS);
        }
        let out = forward(&net, x.clone(), sequence);
        let mut results = vec![("y", out.output)];
        results.extend(["h", "c"].into_iter().zip(out.state.parts().iter().cloned()));
        let mut loss = Tensor::<1>::zeros([1], device);
        for (n, value) in results {
            let expected = golden.tensor::<3>(&name("out", n), device);
            assert_close(&name("out", n), &value, &expected, VALUES);
            let cotangent = golden.tensor::<3>(&name("cot", n), device);
            loss = loss + (value * cotangent).sum();
        }

        let grads = loss.backward();
        for (n, tensor) in [("x", &x)].into_iter().chain(["h", "c"].into_iter().zip(&states)) {
            let grad = tensor.grad(&grads).unwrap_or_else(|| panic!("no gradient of {}", name("in", n)));
            let expected = golden.tensor::<3>(&name("gin", n), device).inner();
            assert_close(&name("gin", n), &grad, &expected, GRADIENTS);
        }
        let grads = GradientsParams::from_grads(grads, &net);
        let grads = StateDict::from_module(&net.map(&mut IntoGradient(grads)));
        let mut compared = 0;
        for (n, _) in grads.shapes() {
            let grad = grads.data(n).expect("data").expect("name");
            assert_close_data(&name("gw", n), &grad, &golden.data(&name("gw", n)), GRADIENTS);
            compared += 1;
        }
        let prefix = name("gw", "");
        let expected = golden.names().iter().filter(|n| n.starts_with(&prefix)).count();
        assert_eq!(compared, expected, "{}: gradients of all weights", self.name);
    }
}

/// Replaces each parameter by its gradient, so that gradients get the names of the weights.
struct IntoGradient(GradientsParams);

impl ModuleMapper for IntoGradient {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let grad = self.0.remove(param.id).expect("every weight has a gradient");
        Param::from_tensor(grad)
    }
}

fn check(kinds: &[&str]) {
    let golden = Golden::open(GOLDEN);
    let mut cases: Vec<String> = golden.names().iter().map(|n| n.split('.').next().expect("case").to_owned()).collect();
    cases.dedup();
    cases.retain(|c| kinds.contains(&Case::parse(c).kind));
    assert_eq!(cases.len(), 16 * kinds.len(), "layers × directions × bias × lengths");
    for device in devices() {
        for case in &cases {
            Case::parse(case).check(&golden, &device.autodiff());
        }
    }
}

#[test]
fn elman_network_and_rnn() {
    check(&["simple", "rnn_tanh", "rnn_relu"]);
}

#[test]
fn gru() {
    check(&["gru", "gru_before"]);
}

#[test]
fn lstm() {
    check(&["lstm", "lstm_proj"]);
}

#[test]
fn minimal_cells() {
    check(&["min_gru", "min_lstm"]);
}
