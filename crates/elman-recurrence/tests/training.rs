//! Training mode depends only on the network, not on the devices of input and state: with the same seed, masks and
//! gradients are the same. Outside training, nothing is sampled.

use burn::{
    module::Module,
    tensor::{Device, Distribution, Tensor, TensorData},
};
use elman_recurrence::{CellKind, Network, NetworkConfig, Sequence, State};
use elman_testkit::{devices, gradients_of};

const BATCH: usize = 4;
const TIME: usize = 6;
const D_INPUT: usize = 3;
const D_HIDDEN: usize = 16;

/// Each regularizer alone, all of them together, and all of them in two directions.
fn configs(kind: CellKind) -> Vec<NetworkConfig> {
    let plain = NetworkConfig::new(kind, D_INPUT, D_HIDDEN).with_layers(2);
    let mut all = vec![plain.clone().with_dropout(0.5)];
    if kind != CellKind::Elman {
        all.push(plain.clone().with_zoneout(0.5, 0.5));
        let every = plain.clone().with_dropout(0.2).with_recurrent_dropout(0.2).with_zoneout(0.3, 0.1);
        all.extend([false, true].map(|recompute| every.clone().with_recompute(recompute)));
        all.push(every.with_layer_norm(true).with_bidirectional(true));
    }
    if matches!(kind, CellKind::Rnn | CellKind::Gru | CellKind::Lstm) {
        all.push(plain.with_recurrent_dropout(0.5));
    }
    all
}

/// A forward pass with input and state on these devices.
struct Pass<'a> {
    values: &'a TensorData,
    input: &'a Device,
    state: Option<&'a Device>,
}

impl Pass<'_> {
    fn output(&self, config: &NetworkConfig, net: &Network) -> Tensor<3> {
        let zeros = |device: &Device| {
            let rows = 2 * (1 + usize::from(config.bidirectional));
            let parts = if config.cell == CellKind::Lstm { 2 } else { 1 };
            State::new((0..parts).map(|_| Tensor::zeros([rows, BATCH, D_HIDDEN], device)).collect())
        };
        let x = Tensor::from_data(self.values.clone(), self.input);
        let sequence = Sequence::new().with_state(self.state.map(zeros)).with_lengths(&[TIME, 2, TIME, 5]);
        net.forward_with(x, sequence).output
    }
}

#[test]
fn training_mode_does_not_depend_on_devices_of_inputs() {
    for device in devices() {
        let (plain, trained) = (&device.device, &device.autodiff());
        let values = Tensor::<3>::random([BATCH, TIME, D_INPUT], Distribution::Normal(0.0, 1.0), plain).into_data();
        let mut passes = Vec::new();
        for input in [plain, trained] {
            passes.extend([None, Some(plain), Some(trained)].map(|state| Pass { values: &values, input, state }));
        }
        for config in CellKind::ALL.into_iter().flat_map(configs) {
            let net = config.init(trained);
            passes[0].output(&config, &net); // initializes burn's lazy parameters
            let run = |pass: &Pass<'_>| {
                plain.seed(7);
                let output = pass.output(&config, &net);
                let again = pass.output(&config, &net).into_data();
                let gradients = gradients_of(&net, &output.clone().powi_scalar(2).sum().backward());
                assert_ne!(output.clone().into_data(), again, "{device} {config:?}: new masks in every pass");
                (output.into_data(), gradients)
            };
            let expected = run(&passes[0]);
            assert!(!expected.1.is_empty());
            for pass in &passes {
                assert!(run(pass) == expected, "{device} {config:?}: on {:?}, {:?}", pass.input, pass.state);
            }

            // after valid(), after freeze(), or initialized on a device without autodiff
            for untrained in [net.valid(), net.clone().freeze(), config.init(plain)] {
                let expected = passes[0].output(&config, &untrained).into_data();
                let valid = passes[0].output(&config, &untrained.valid()).into_data();
                assert_eq!(expected, valid, "{device} {config:?}: as after valid()");
                for pass in &passes {
                    let found = pass.output(&config, &untrained).into_data();
                    assert_eq!(found, expected, "{device} {config:?}: on {:?}, {:?}", pass.input, pass.state);
                }
            }
            let [again, first] = [net.valid().train(), net.clone()].map(|net| {
                plain.seed(7);
                passes[0].output(&config, &net).into_data()
            });
            assert_eq!(again, first, "{device} {config:?}: after valid() and train()");
        }
    }
}
