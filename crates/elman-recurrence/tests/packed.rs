//! Packed networks against the networks that were packed, on all compiled-in devices.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Device, Distribution, Tensor, TensorData},
};
use elman_recurrence::{
    Cell, CellKind, GruConfig, LstmConfig, Network, NetworkConfig, Recurrent, RecurrentConfig, Reset, Sequence, State,
    packed::{PackError, Packed, Session, WeightDtype},
};
use elman_testkit::{Tolerance, assert_close, assert_near_data, device, devices};

/// f32 sums in another order.
const ROUNDING: Tolerance = Tolerance { relative: 5e-6, absolute: 1e-6 };
/// Relative error of the root mean square for bf16 and int8. Each weight has an error of at most 1/256 of itself (bf16)
/// or 1/254 of the largest of its row (int8); `elman-cpu` tests the stored weights exactly. Layer normalization of
/// small sums amplifies the error of single values, so the test uses the root mean square: usually 0.03, at most 0.12
/// in 40 runs with other random values. Weights of a wrong row would give an error of 1.
const QUANTIZED: f64 = 0.2;

const TIME: usize = 7;
const BATCH: usize = 3;
const D_INPUT: usize = 4;
const D_HIDDEN: usize = 9;

/// Every kind of network with all options that it supports.
fn for_each_network(bidirectional: bool, check: impl Fn(&str, &Network, &Device)) {
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

/// The values in the layout of sessions, `[time, batch, feature]`.
fn to_session(x: &Tensor<3>) -> Vec<f32> {
    x.clone().swap_dims(0, 1).into_data().iter::<f32>().collect()
}

/// The `[batch, time, feature]` tensor of values in the layout of sessions.
fn from_session(values: &[f32], device: &Device) -> Tensor<3> {
    let width = values.len() / TIME / BATCH;
    Tensor::<3>::from_data(TensorData::new(values.to_vec(), [TIME, BATCH, width]), device).swap_dims(0, 1)
}

fn assert_state(what: &str, session: &Session, expected: &State, device: &Device) {
    for (part, expected) in session.state(device).parts().iter().zip(expected.parts()) {
        assert_close(&format!("{what}: state"), part, expected, ROUNDING);
    }
}

#[test]
fn packed_networks_equal_the_networks() {
    for bidirectional in [false, true] {
        for_each_network(bidirectional, |what, net, device| {
            let x = input(device);
            for dtype in [WeightDtype::F32, WeightDtype::Bf16, WeightDtype::Int8] {
                let packed = net.pack(dtype).expect("every kind has kernels");
                let widths = (packed.d_input(), packed.d_output(), packed.bidirectional());
                assert_eq!(widths, (D_INPUT, net.d_output(), bidirectional));
                let mut session = packed.session(BATCH);
                let (mut expected, mut state) = net.forward(x.clone(), None);
                // twice: the second round starts from the state of the first
                for round in 0..2 {
                    let found = from_session(session.forward(&to_session(&x)), device);
                    let what = format!("{what} {dtype} {round}");
                    if dtype == WeightDtype::F32 {
                        assert_close(&what, &found, &expected, ROUNDING);
                        assert_state(&what, &session, &state, device);
                    } else {
                        assert_near_data(&what, &found.into_data(), &expected.to_data(), QUANTIZED);
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
    for_each_network(true, |what, net, device| {
        let lengths = [5, 0, TIME];
        // inputs after the end of a row must not be used
        let mut x = to_session(&input(device));
        for (n, step) in x.chunks_exact_mut(D_INPUT).enumerate() {
            if n / BATCH >= lengths[n % BATCH] {
                step.fill(f32::NAN);
            }
        }
        let x = from_session(&x, device);
        let expected = net.forward_with(x.clone(), Sequence::new().with_lengths(&lengths));
        let mut session = net.pack(WeightDtype::F32).expect("kernels").session(BATCH);
        let found = from_session(session.forward_ragged(&to_session(&x), &lengths), device);
        assert_close(what, &found, &expected.output, ROUNDING);
        assert_state(what, &session, &expected.state, device);
    });
}

#[test]
fn steps_equal_forward_and_reset_clears_the_state() {
    for_each_network(false, |what, net, device| {
        let x = to_session(&input(device));
        let packed = net.pack(WeightDtype::F32).expect("kernels");
        let whole = packed.session(BATCH).forward(&x).to_vec();
        let mut session = packed.session(BATCH);
        for _ in 0..2 {
            let steps: Vec<f32> = x.chunks(BATCH * D_INPUT).flat_map(|step| session.step(step).to_vec()).collect();
            assert_close(what, &from_session(&steps, device), &from_session(&whole, device), ROUNDING);
            session.reset();
        }
    });
}

#[test]
fn other_options_can_be_packed() {
    for device in devices() {
        let device = &device.device;
        let check = |what: &str, packed: Result<Packed, PackError>, expected: Tensor<3>, x: &Tensor<3>| {
            let mut session = packed.expect(what).session(BATCH);
            assert_close(what, &from_session(session.forward(&to_session(x)), device), &expected, ROUNDING);
        };
        let x = input(device);
        let gru = GruConfig::new(D_INPUT, D_HIDDEN).with_reset(Reset::Before).with_layers(2).init(device);
        check("gru", gru.pack(WeightDtype::F32), gru.forward(x.clone(), None).0, &x);
        let lstm = LstmConfig::new(D_INPUT, D_HIDDEN).with_projection(5).with_bidirectional(true).init(device);
        check("lstm", lstm.pack(WeightDtype::F32), lstm.forward(x.clone(), None).0, &x);
        // packing a network in training uses its current weights
        let trained = lstm.train();
        check("training", trained.pack(WeightDtype::F32), trained.forward(x.clone(), None).0.inner(), &x);
    }
}

#[test]
fn large_layers_are_distributed_over_threads() {
    for device in devices().into_iter().filter(|device| device.device == Device::default()) {
        let device = &device.device;
        for (batch, bidirectional) in [(1, false), (1, true), (9, true)] {
            let net = LstmConfig::new(64, 300).with_bidirectional(bidirectional).init(device);
            let x = Tensor::<3>::random([batch, 20, 64], Distribution::Normal(0.0, 1.0), device);
            let mut session = net.pack(WeightDtype::F32).expect("kernels").session(batch);
            let found = session.forward(&to_session(&x)).to_vec();
            let expected = net.forward(x, None).0.swap_dims(0, 1);
            let found = Tensor::from_data(TensorData::new(found, expected.dims()), device);
            assert_close("threads", &found, &expected, ROUNDING);
        }
    }
}

/// A cell without a kernel.
#[derive(Clone, Debug, Default)]
struct Plain;

impl Cell for Plain {
    const GATES: usize = 1;
    const STATES: usize = 1;

    fn forward(&self, input: Tensor<2>, recurrent: Option<Tensor<2>>, _: &[Tensor<2>]) -> Vec<Tensor<2>> {
        vec![input + recurrent.expect("the cell has a recurrent product")]
    }
}

#[test]
fn networks_that_cannot_be_packed_are_errors() {
    let device = device();
    let net: Recurrent<Plain> = RecurrentConfig::new(2, 2).init(&device);
    let message = net.pack(WeightDtype::F32).unwrap_err().to_string();
    assert_eq!(message, "the cell Plain has no CPU kernel and cannot be packed; use forward");

    struct MakeInfinite;
    impl ModuleMapper for MakeInfinite {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|tensor| tensor * f32::INFINITY)
        }
    }
    let net = LstmConfig::new(2, 2).init(&device).map(&mut MakeInfinite);
    assert!(net.pack(WeightDtype::Bf16).is_ok());
    let message = net.pack(WeightDtype::Int8).unwrap_err().to_string();
    assert_eq!(message, "weight_ih of layer 0 is not finite and cannot be packed as int8");
}
