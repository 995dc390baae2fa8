//! Packed networks against the networks that they were made of, on every device compiled in.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Device, Distribution, Tensor, TensorData},
};
use elman_recurrence::{
    Cell, CellKind, GruConfig, LstmConfig, Network, NetworkConfig, Recurrent, RecurrentConfig, Reset, Sequence, State,
    packed::{PackError, Packed, Session, WeightDtype},
};
use elman_testkit::{Tolerance, assert_close, assert_near_data, device, devices};

/// The same float32 sums in another order.
const ROUNDING: Tolerance = Tolerance { relative: 5e-6, absolute: 1e-6 };
/// Weights with eight bits of precision, each off by at most 1/256 of itself, or by 1/254 of its row's largest; what is kept
/// is compared exactly in `elman-cpu`. Layer normalisation of small sums makes single numbers much worse than the others, so
/// it is their root mean square that counts: 0.03 mostly, 0.12 seen once in 40 runs with other random numbers. Weights of
/// another row would be off by 1.
const NARROW: f64 = 0.2;

const TIME: usize = 7;
const BATCH: usize = 3;
const D_INPUT: usize = 4;
const D_HIDDEN: usize = 9;

/// Every kind of network with every variant that it has.
fn each(bidirectional: bool, check: impl Fn(&str, &Network, &Device)) {
    for device in devices() {
        for kind in CellKind::ALL {
            let config = NetworkConfig::new(kind, D_INPUT, D_HIDDEN).with_layers(2).with_bidirectional(bidirectional);
            let mut configs = vec![config.clone(), config.clone().with_bias(false).with_dropout(0.5)];
            if kind != CellKind::Elman {
                configs.push(config.with_layer_norm(true).with_zoneout(0.25, 0.5).with_recurrent_dropout(0.5));
            }
            for config in configs {
                check(&format!("{config:?}"), &config.init(&device.device), &device.device);
            }
        }
    }
}

fn input(device: &Device) -> Tensor<3> {
    Tensor::random([BATCH, TIME, D_INPUT], Distribution::Normal(0.0, 1.0), device)
}

/// `[time, batch, feature]`
fn numbers(x: &Tensor<3>) -> Vec<f32> {
    x.clone().swap_dims(0, 1).into_data().iter::<f32>().collect()
}

/// `[batch, time, feature]` again.
fn tensor(numbers: &[f32], device: &Device) -> Tensor<3> {
    let width = numbers.len() / TIME / BATCH;
    Tensor::<3>::from_data(TensorData::new(numbers.to_vec(), [TIME, BATCH, width]), device).swap_dims(0, 1)
}

fn assert_state(what: &str, session: &Session, expected: &State, device: &Device) {
    for (part, expected) in session.state(device).parts().iter().zip(expected.parts()) {
        assert_close(&format!("{what}: state"), part, expected, ROUNDING);
    }
}

#[test]
fn a_packed_network_computes_what_the_network_does() {
    for bidirectional in [false, true] {
        each(bidirectional, |what, net, device| {
            let x = input(device);
            for precision in [WeightDtype::F32, WeightDtype::Bf16, WeightDtype::Int8] {
                let packed = net.pack(precision).expect("every kind has kernels");
                let widths = (packed.d_input(), packed.d_output(), packed.bidirectional());
                assert_eq!(widths, (D_INPUT, net.d_output(), bidirectional));
                let mut session = packed.session(BATCH);
                let (mut expected, mut state) = net.forward(x.clone(), None);
                // twice: the second time from the state of the first
                for round in 0..2 {
                    let found = tensor(session.forward(&numbers(&x)), device);
                    let what = format!("{what} {precision} {round}");
                    if precision == WeightDtype::F32 {
                        assert_close(&what, &found, &expected, ROUNDING);
                        assert_state(&what, &session, &state, device);
                    } else {
                        assert_near_data(&what, &found.into_data(), &expected.to_data(), NARROW);
                    }
                    session.set_state(&state);
                    (expected, state) = net.forward(x.clone(), Some(state));
                }
            }
        });
    }
}

#[test]
fn rows_end_at_their_lengths() {
    each(true, |what, net, device| {
        let lengths = [5, 0, TIME];
        // what lies past a row's length must not matter, whatever it is
        let mut x = numbers(&input(device));
        for (n, step) in x.chunks_exact_mut(D_INPUT).enumerate() {
            if n / BATCH >= lengths[n % BATCH] {
                step.fill(f32::NAN);
            }
        }
        let x = tensor(&x, device);
        let expected = net.forward_with(x.clone(), Sequence::new().with_lengths(&lengths));
        let mut session = net.pack(WeightDtype::F32).expect("kernels").session(BATCH);
        let found = tensor(session.forward_ragged(&numbers(&x), &lengths), device);
        assert_close(what, &found, &expected.output, ROUNDING);
        assert_state(what, &session, &expected.state, device);
    });
}

#[test]
fn steps_equal_the_whole_and_begin_anew() {
    each(false, |what, net, device| {
        let x = numbers(&input(device));
        let packed = net.pack(WeightDtype::F32).expect("kernels");
        let whole = packed.session(BATCH).forward(&x).to_vec();
        let mut session = packed.session(BATCH);
        for _ in 0..2 {
            let steps: Vec<f32> = x.chunks(BATCH * D_INPUT).flat_map(|step| session.step(step).to_vec()).collect();
            assert_close(what, &tensor(&steps, device), &tensor(&whole, device), ROUNDING);
            session.reset();
        }
    });
}

#[test]
fn the_other_networks_are_packed_too() {
    for device in devices() {
        let device = &device.device;
        let check = |what: &str, packed: Result<Packed, PackError>, expected: Tensor<3>, x: &Tensor<3>| {
            let mut session = packed.expect(what).session(BATCH);
            assert_close(what, &tensor(session.forward(&numbers(x)), device), &expected, ROUNDING);
        };
        let x = input(device);
        let gru = GruConfig::new(D_INPUT, D_HIDDEN).with_reset(Reset::Before).with_layers(2).init(device);
        check("gru", gru.pack(WeightDtype::F32), gru.forward(x.clone(), None).0, &x);
        let lstm = LstmConfig::new(D_INPUT, D_HIDDEN).with_projection(5).with_bidirectional(true).init(device);
        check("lstm", lstm.pack(WeightDtype::F32), lstm.forward(x.clone(), None).0, &x);
        // a network that is being trained is packed as it is now
        let trained = lstm.train();
        check("training", trained.pack(WeightDtype::F32), trained.forward(x.clone(), None).0.inner(), &x);
    }
}

#[test]
fn many_units_are_shared_among_threads() {
    for device in devices().into_iter().filter(|device| device.device == Device::default()) {
        let device = &device.device;
        for (batch, bidirectional) in [(1, false), (1, true), (9, true)] {
            let net = LstmConfig::new(64, 300).with_bidirectional(bidirectional).init(device);
            let x = Tensor::<3>::random([batch, 20, 64], Distribution::Normal(0.0, 1.0), device);
            let mut session = net.pack(WeightDtype::F32).expect("kernels").session(batch);
            let found = session.forward(&numbers(&x)).to_vec();
            let expected = net.forward(x, None).0.swap_dims(0, 1);
            let found = Tensor::from_data(TensorData::new(found, expected.dims()), device);
            assert_close("shared", &found, &expected, ROUNDING);
        }
    }
}

/// A cell without kernels.
#[derive(Clone, Debug, Default)]
struct Plain;

impl Cell for Plain {
    const GATES: usize = 1;
    const STATES: usize = 1;

    fn forward(&self, input: Tensor<2>, recurrent: Option<Tensor<2>>, _: &[Tensor<2>]) -> Vec<Tensor<2>> {
        vec![input + recurrent.expect("this cell has a recurrent product")]
    }
}

#[test]
fn what_cannot_be_packed_is_an_error() {
    let device = device();
    let net: Recurrent<Plain> = RecurrentConfig::new(2, 2).init(&device);
    let message = net.pack(WeightDtype::F32).unwrap_err().to_string();
    assert_eq!(message, "the cell Plain has no kernels for a processor: it cannot be packed; use forward");

    struct Spoil;
    impl ModuleMapper for Spoil {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|tensor| tensor * f32::INFINITY)
        }
    }
    let net = LstmConfig::new(2, 2).init(&device).map(&mut Spoil);
    assert!(net.pack(WeightDtype::Bf16).is_ok());
    let message = net.pack(WeightDtype::Int8).unwrap_err().to_string();
    assert_eq!(message, "weight_ih is not finite in layer 0: it cannot be packed in int8");
}
