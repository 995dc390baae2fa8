//! Whether a network is in training depends on the network alone, not on where its input and its state were made: what is drawn
//! then, and every gradient, is the same; nothing is drawn otherwise.

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

/// Each source of noise alone, and all of them in two directions.
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

/// One forward pass on numbers that lie on these devices.
struct Pass<'a> {
    numbers: &'a TensorData,
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
        let x = Tensor::from_data(self.numbers.clone(), self.input);
        let sequence = Sequence::new().with_state(self.state.map(zeros)).with_lengths(&[TIME, 2, TIME, 5]);
        net.forward_with(x, sequence).output
    }
}

#[test]
fn noise_is_that_of_a_network_in_training_wherever_the_numbers_are() {
    for device in devices() {
        let (plain, trained) = (&device.device, &device.autodiff());
        let numbers = Tensor::<3>::random([BATCH, TIME, D_INPUT], Distribution::Normal(0.0, 1.0), plain).into_data();
        let mut passes = Vec::new();
        for input in [plain, trained] {
            passes.extend([None, Some(plain), Some(trained)].map(|state| Pass { numbers: &numbers, input, state }));
        }
        for config in CellKind::ALL.into_iter().flat_map(configs) {
            let net = config.init(trained);
            passes[0].output(&config, &net); // draws the first weights, which burn makes when they are needed
            let drawn = |pass: &Pass<'_>| {
                plain.seed(7);
                let output = pass.output(&config, &net);
                let again = pass.output(&config, &net).into_data();
                let gradients = gradients_of(&net, &output.clone().powi_scalar(2).sum().backward());
                assert_ne!(output.clone().into_data(), again, "{device} {config:?}: drawn anew each time");
                (output.into_data(), gradients)
            };
            let expected = drawn(&passes[0]);
            assert!(!expected.1.is_empty());
            for pass in &passes {
                assert!(drawn(pass) == expected, "{device} {config:?}: on {:?}, {:?}", pass.input, pass.state);
            }

            // turned off, frozen, or made where nothing is trained
            for still in [net.valid(), net.clone().freeze(), config.init(plain)] {
                let expected = passes[0].output(&config, &still).into_data();
                let valid = passes[0].output(&config, &still.valid()).into_data();
                assert_eq!(expected, valid, "{device} {config:?}: as after valid()");
                for pass in &passes {
                    let found = pass.output(&config, &still).into_data();
                    assert_eq!(found, expected, "{device} {config:?}: on {:?}, {:?}", pass.input, pass.state);
                }
            }
            let [back, still] = [net.valid().train(), net.clone()].map(|net| {
                plain.seed(7);
                passes[0].output(&config, &net).into_data()
            });
            assert_eq!(back, still, "{device} {config:?}: valid() and train()");
        }
    }
}
