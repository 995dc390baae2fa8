//! Properties of all recurrent layers with random weights, on all compiled-in devices.

use burn::{
    module::Module,
    tensor::{Device, Distribution, Tensor, TensorData},
};
use elman_recurrence::{
    Cell, CellKind, MinGruCell, MinLstmCell, Network, NetworkConfig, Sequence, StateDict,
    scan::{ScanInput, ScanOutput, scan, scan_parallel, scan_sequential},
};
use elman_testkit::{Tolerance, assert_close, devices};

/// f32 sums in another order or grouping.
const ROUNDING: Tolerance = Tolerance { relative: 2e-6, absolute: 1e-7 };
/// The parallel form multiplies decays in a tree instead of a chain.
const PARALLEL: Tolerance = Tolerance { relative: 1e-5, absolute: 1e-7 };
/// Layer normalization of small sums amplifies their rounding errors.
const LAYER_NORM: Tolerance = Tolerance { relative: 1e-4, absolute: 1e-7 };

const BATCH: usize = 4;
const TIME: usize = 9;
const D_INPUT: usize = 3;

fn for_each_network(bidirectional: bool, check: impl Fn(CellKind, &Network, Tensor<3>)) {
    for device in devices() {
        for kind in CellKind::ALL {
            let config = NetworkConfig::new(kind, D_INPUT, 5).with_layers(2).with_bidirectional(bidirectional);
            check(kind, &config.init(&device.device), input(&device.device));
        }
    }
}

fn input(device: &Device) -> Tensor<3> {
    Tensor::random([BATCH, TIME, D_INPUT], Distribution::Normal(0.0, 1.0), device)
}

fn time(x: &Tensor<3>, from: usize, to: usize) -> Tensor<3> {
    x.clone().narrow(1, from, to - from)
}

#[test]
fn split_sequences_equal_the_whole() {
    for_each_network(false, |kind, net, x| {
        let (whole, end) = net.forward(x.clone(), None);
        for cut in [1, 4, TIME - 1] {
            let (first, state) = net.forward(time(&x, 0, cut), None);
            let (second, state) = net.forward(time(&x, cut, TIME), Some(state));
            assert_close(&format!("{kind}"), &Tensor::cat(vec![first, second], 1), &whole, PARALLEL);
            for (part, expected) in state.parts().iter().zip(end.parts()) {
                assert_close(&format!("{kind} state"), part, expected, PARALLEL);
            }
        }
    });
}

#[test]
fn steps_equal_forward() {
    for_each_network(false, |kind, net, x| {
        let (whole, end) = net.forward(x.clone(), None);
        let mut state = None;
        for t in 0..TIME {
            let (y, next) = net.step(time(&x, t, t + 1).squeeze_dim(1), state);
            assert_close(&format!("{kind} step {t}"), &y.unsqueeze_dim(1), &time(&whole, t, t + 1), PARALLEL);
            state = Some(next);
        }
        let state = state.expect("stepped");
        assert_close(&format!("{kind} state"), &state.hidden(), &end.hidden(), PARALLEL);
    });
}

#[test]
fn permuting_rows_permutes_results() {
    for_each_network(true, |kind, net, x| {
        let order = [2, 0, 3, 1];
        let lengths = [9, 4, 0, 7];
        let out = net.forward_with(x.clone(), Sequence::new().with_lengths(&lengths));
        let rows = |x: &Tensor<3>| Tensor::cat(order.iter().map(|r| x.clone().narrow(0, *r, 1)).collect(), 0);
        let permuted = Sequence::new().with_lengths(&order.map(|r| lengths[r]));
        let permuted = net.forward_with(rows(&x), permuted);
        assert_close(&format!("{kind}"), &permuted.output, &rows(&out.output), ROUNDING);
        let state = out.state.select(&order);
        assert_close(&format!("{kind} state"), &permuted.state.hidden(), &state.hidden(), ROUNDING);
    });
}

#[test]
fn ragged_batches_equal_single_rows() {
    for_each_network(true, |kind, net, x| {
        let lengths = [3, TIME, 1, 6];
        // inputs after the end of a row must not be used
        let x = poison(x, &lengths);
        let out = net.forward_with(x.clone(), Sequence::new().with_lengths(&lengths).with_all_states());
        let hidden = out.all_states.expect("requested");
        assert_eq!(hidden.len(), 2);
        for (row, length) in lengths.into_iter().enumerate() {
            let alone = time(&x.clone().narrow(0, row, 1), 0, length);
            let alone = net.forward_with(alone, Sequence::new().with_all_states());
            let batch = out.output.clone().narrow(0, row, 1);
            assert_close(&format!("{kind} row {row}"), &time(&batch, 0, length), &alone.output, PARALLEL);
            let state = out.state.select(&[row]);
            for (part, expected) in state.parts().iter().zip(alone.state.parts()) {
                assert_close(&format!("{kind} state {row}"), part, expected, PARALLEL);
            }
            for (layer, expected) in hidden.iter().zip(alone.all_states.expect("requested")) {
                let layer = layer.hidden().narrow(0, row, 1);
                assert_close(
                    &format!("{kind} layer, row {row}"),
                    &time(&layer, 0, length),
                    &expected.hidden(),
                    PARALLEL,
                );
                if length < TIME {
                    let rest: f32 = time(&layer, length, TIME).abs().max().into_scalar();
                    assert_eq!(rest, 0.0, "{kind}: row {row} after its end");
                }
            }
        }
    });
}

/// Fills the input after the end of each row with NaN.
fn poison(x: Tensor<3>, lengths: &[usize]) -> Tensor<3> {
    let rows = lengths.iter().enumerate().map(|(row, length)| {
        let row = x.clone().narrow(0, row, 1);
        if *length == TIME {
            return row;
        }
        let rest = Tensor::full([1, TIME - length, D_INPUT], f32::NAN, &x.device());
        Tensor::cat(vec![time(&row, 0, *length), rest], 1)
    });
    Tensor::cat(rows.collect(), 0)
}

#[test]
fn parallel_scans_equal_sequential_scans() {
    fn compare<C: Cell + Default>(device: &Device, time: usize) {
        let d_hidden = 3;
        let spread = Distribution::Normal(0.0, 3.0);
        let make = || {
            let input = Tensor::random([time, BATCH, C::GATES * d_hidden], spread, device);
            let state = vec![Tensor::random([BATCH, d_hidden], spread, device)];
            ScanInput { reverse: time % 2 == 1, ..ScanInput::new(input, None, state) }
        };
        let input = make();
        let cell = C::default();
        let run = |f: fn(&C, ScanInput, usize) -> ScanOutput| {
            let gates = input.input.clone().detach().require_grad();
            let state = input.state[0].clone().detach().require_grad();
            let scan = ScanInput { input: gates.clone(), state: vec![state.clone()], ..input.clone() };
            let out = f(&cell, scan, 1);
            let grads = (out.states[0].clone() * out.states[0].clone()).sum().backward();
            (out, gates.grad(&grads).expect("gradient"), state.grad(&grads).expect("gradient"))
        };
        let (stepped, gates, state) = run(scan_sequential::<C>);
        let parallel = |cell: &C, input, _| scan_parallel(cell, input).expect("a cell that is linear in its state");
        for (out, d_gates, d_state) in [run(parallel), run(scan::<C>)] {
            assert_close("states", &out.states[0], &stepped.states[0], PARALLEL);
            assert_close("last", &out.last[0], &stepped.last[0], PARALLEL);
            assert_close("gradient of the gates", &d_gates, &gates, PARALLEL);
            assert_close("gradient of the state", &d_state, &state, PARALLEL);
        }
    }
    for device in devices() {
        let device = device.autodiff();
        for time in [1, 2, 5, 64] {
            compare::<MinGruCell>(&device, time);
            compare::<MinLstmCell>(&device, time);
        }
    }
}

#[test]
fn dropout_between_layers_is_active_in_training_only() {
    for device in devices() {
        let device = device.autodiff();
        let config = NetworkConfig::new(CellKind::Gru, D_INPUT, 64).with_layers(2).with_dropout(0.5);
        let net = config.init(&device);
        let x = input(&device);
        let outputs = [0, 1].map(|_| net.forward(x.clone(), None).0.into_data());
        assert_ne!(outputs[0], outputs[1], "two masks differ");
        let net = burn::module::Module::valid(&net);
        let outputs = [0, 1].map(|_| net.forward(x.clone().inner(), None).0.into_data());
        assert_eq!(outputs[0], outputs[1], "no mask outside training");
    }
}

/// Recurrent dropout and zoneout sample masks in training. In inference, dropout does nothing and zoneout averages
/// states.
#[test]
fn masks_are_sampled_in_training_only() {
    for device in devices() {
        for kind in [CellKind::Rnn, CellKind::Gru, CellKind::Lstm] {
            let plain = NetworkConfig::new(kind, D_INPUT, 8).init(&device.device);
            let weights = || StateDict::from_module(&plain);
            let make = |config: NetworkConfig| {
                weights().load_into(config.init(&device.device)).expect("dropout and zoneout have no weights").train()
            };
            let outputs = |net: &Network, device: &Device| net.forward(input_on(device), None).0.into_data();
            let config = NetworkConfig::new(kind, D_INPUT, 8);
            for (what, net) in [
                ("dropout", make(config.clone().with_recurrent_dropout(0.5))),
                ("zoneout", make(config.with_zoneout(0.5, 0.25))),
            ] {
                let [first, second] = [(); 2].map(|()| outputs(&net, &device.device));
                assert_ne!(first, second, "{device} {kind} {what}: sampled for every sequence");
                let [first, second] = [(); 2].map(|()| outputs(&net.valid(), &device.device));
                assert_eq!(first, second, "{device} {kind} {what}: nothing is sampled");
                let same = first == outputs(&plain, &device.device);
                assert_eq!(same, what == "dropout", "{device} {kind} {what}: inference equals the plain network");
            }
        }
    }
}

/// The same values on every call.
fn input_on(device: &Device) -> Tensor<3> {
    let values: Vec<f32> = (0..BATCH * TIME * D_INPUT).map(|n| (n * 7 % 11) as f32 / 5.0 - 1.0).collect();
    Tensor::from_data(TensorData::new(values, [BATCH, TIME, D_INPUT]), device)
}

/// With layer normalization too, inputs after the end of a row change nothing.
#[test]
fn layer_normalization_of_ragged_batches_equals_single_rows() {
    for device in devices() {
        for kind in [CellKind::Rnn, CellKind::Gru, CellKind::Lstm, CellKind::MinGru, CellKind::MinLstm] {
            let config = NetworkConfig::new(kind, D_INPUT, 5).with_layers(2).with_layer_norm(true);
            let net = config.with_bidirectional(true).init(&device.device);
            let x = input(&device.device);
            let out = net.forward_with(x.clone(), Sequence::new().with_lengths(&[9, 4, 1, 7])).output;
            for (row, length) in [9, 4, 1, 7].into_iter().enumerate() {
                let alone = net.forward(time(&x, 0, length).narrow(0, row, 1), None).0;
                let together = time(&out, 0, length).narrow(0, row, 1);
                assert_close(&format!("{device} {kind} row {row}"), &together, &alone, LAYER_NORM);
            }
        }
    }
}
